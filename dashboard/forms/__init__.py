"""What a person may type, one file per area. A form knows shape only; rules are the services'."""
