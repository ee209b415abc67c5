"""`routes`: what can be asked of the application, and which permission each needs."""

import json

import click
from rich.console import Console
from rich.table import Table

import dashboard
from dashboard.views import access


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(as_json: bool) -> None:
    """List every route: method, path, permission."""
    app = dashboard.create_app()
    rows = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        permission = access.permission_of(app, rule.endpoint)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            rows.append({"method": method, "path": rule.rule, "permission": permission or ""})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table("Method", "Path", "Permission")
    for row in rows:
        table.add_row(row["method"], row["path"], row["permission"])
    Console().print(table)
