"""Invented people: names of several cultures, put together at random. Pure."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

_CULTURES: tuple[tuple[str, str, str], ...] = (
    (
        "CZ SK",
        "Tereza Jakub Eliška Matěj Adéla Vojtěch Klára Ondřej Barbora Štěpán Lucie Marek Zuzana Filip",
        "Havelka Doležal Kučera Šimek Vondra Krejčí Hruška Beneš Říha Pospíšil Malík Zeman Bartoš Tichý",
    ),
    (
        "DE AT CH",
        "Leonie Jonas Mathilda Emil Frieda Anton Greta Moritz Johanna Kaspar Ida Lennart Marlene Ruben",
        "Brandt Vogel Lindner Kessler Ziegler Hartmann Böhm Seidel Kranz Möller Thalberg Weiß Otto Jung",
    ),
    (
        "SE NO DK FI",
        "Astrid Nils Freja Mikkel Sigrid Oskar Aino Elias Tuva Henrik Liv Eero Maja Anders",
        "Lindgren Holm Dahl Nyström Bakken Sørensen Koskinen Ekberg Strand Vestergaard Laine Sjöberg Moen",
    ),
    (
        "ES MX AR CO",
        "Lucía Mateo Valeria Joaquín Camila Rodrigo Inés Emiliano Paloma Tomás Renata Álvaro Noelia Iker",
        "Cárdenas Ibarra Quiroga Salcedo Montero Villalba Escobar Peralta Zúñiga Arroyo Lozano Bustos Rey",
    ),
    (
        "NG GH KE",
        "Adaeze Kwame Ngozi Chidi Amara Kofi Wanjiru Tunde Abena Otieno Ifeoma Yaw Zawadi Femi",
        "Okonkwo Mensah Adeyemi Boateng Kamau Nwosu Owusu Mwangi Eze Asante Balogun Njoroge Obi Achieng",
    ),
    (
        "IN LK",
        "Ananya Arjun Kavya Rohan Meera Vikram Ishita Nikhil Priya Siddharth Lakshmi Dev Tara Harish",
        "Iyer Chatterjee Deshmukh Reddy Kulkarni Menon Bhatt Perera Sengupta Rao Nair Kapoor Joshi Pillai",
    ),
    (
        "JP KR",
        "Haruka Minjun Sakura Ren Jiwoo Daichi Yuna Takumi Hana Seojun Aoi Kenta Somin Riku",
        "Morikawa Park Fujita Kang Okabe Hwang Ishida Shin Kuroda Yoon Hayashi Seo Matsuda Lim",
    ),
    (
        "TR AE EG",
        "Elif Omar Zeynep Karim Leyla Yusuf Nadia Emre Salma Tarek Defne Hassan Mariam Baran",
        "Yıldız Haddad Demir Mansour Kaya Farouk Aydın Nasser Arslan Khalil Şahin Saleh Polat Aziz",
    ),
    (
        "GB IE US CA",
        "Imogen Callum Niamh Declan Harriet Rowan Sadie Winston Maeve Theo Tamsin Jasper Odette Miles",
        "Ashworth Byrne Pemberton Gallagher Whitlock Doyle Radcliffe Sinclair Mercer Lowell Hale Quinn",
    ),
    (
        "BR PT",
        "Beatriz Thiago Marina Rafael Isadora Caio Letícia Duarte Helena Gonçalo Yara Murilo Leonor Davi",
        "Figueiredo Tavares Nogueira Barreto Queiroz Fonseca Pacheco Vasconcelos Moura Teles Prado Brito",
    ),
    (
        "PL HU",
        "Zofia Bence Hanna Krzysztof Maja Gergő Oliwia Dániel Jagoda Kacper Réka Szymon Lena Máté",
        "Wójcik Szabó Zieliński Kovács Mazur Farkas Dąbrowski Balogh Kubiak Nagy Pawlak Fekete Sobczak",
    ),
)
# Letters that Unicode does not take apart into a base and a mark.
_PLAIN = str.maketrans({"ł": "l", "ø": "o", "ß": "ss", "ı": "i", "đ": "d", "æ": "ae"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist."""

    external_id: str
    name: str
    email: str
    country: str


def people(rng: Random, count: int) -> Iterator[Person]:
    """So many people, each with an external id and an e-mail address of their own."""
    taken: Counter[str] = Counter()
    for number in range(1, count + 1):
        countries, first_names, last_names = rng.choice(_CULTURES)
        first, last = rng.choice(first_names.split()), rng.choice(last_names.split())
        mailbox = f"{_ascii(first)}.{_ascii(last)}"
        taken[mailbox] += 1
        again = taken[mailbox] if taken[mailbox] > 1 else ""
        yield Person(
            external_id=f"CUSTOMER_{number:04}",
            name=f"{first} {last}",
            email=f"{mailbox}{again}@example.com",
            country=rng.choice(countries.split()),
        )


def _ascii(name: str) -> str:
    apart = unicodedata.normalize("NFKD", name.lower().translate(_PLAIN))
    return "".join(letter for letter in apart if letter.isascii())
