"""``usage``: tokens and money, and where budgets stand."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from .. import BudgetStatus
from .terminal import moment, money
from .verb import json_option, kept, page_size, store_options

if TYPE_CHECKING:
    from argparse import Namespace

    from .terminal import Terminal
    from .verb import Verbs

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_WINDOWS = ("hour", "day", "week", "month")


def add(verbs: Verbs) -> None:
    """Add the verb to the parser."""
    parser = verbs(
        "usage",
        help="count tokens and money",
        description="What was spent, what it will be at the end of a window, and where budgets stand.",
    )
    parser.add_argument(
        "--by", choices=("model", "day", "conversation", "user"), default="model", help="by model unless given"
    )
    parser.add_argument(
        "--since", type=_moment, metavar="WHEN", help="a day as 2026-11-22, or a time ago as 12h, 7d, 4w"
    )
    parser.add_argument("--until", type=_moment, metavar="WHEN", help="the same; until now unless given")
    parser.add_argument("--everybody", action="store_true", help="of all users, not of one")
    parser.add_argument("--window", choices=_WINDOWS, default="month", help="of the forecast; a month unless given")
    parser.add_argument("--limit", type=page_size, default=50, metavar="N", help="at most so many lines, 1 to 200")
    parser.add_argument("--after", metavar="CURSOR", help="go on where a page ended, which names its cursor")
    store_options(parser)
    json_option(parser)
    parser.set_defaults(run=run)


def _moment(text: str) -> datetime:
    now = datetime.now(timezone.utc)
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        return now - int(found[1]) * _UNITS[found[2]]
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text} is neither a day as 2026-11-22 nor a time ago as 12h, 7d, 4w"
        ) from None


def run(arguments: Namespace, terminal: Terminal) -> int:
    """Show what was spent."""
    with kept(arguments) as engine:
        whose = engine if arguments.everybody else engine.user(arguments.user)
        report = whose.usage(
            by=arguments.by, since=arguments.since, until=arguments.until, after=arguments.after, limit=arguments.limit
        )
        forecast, budgets = whose.forecast(arguments.window), whose.budgets()
    if arguments.json:
        told = {
            "usage": report.to_dict(),
            "forecast": forecast.to_dict(),
            "budgets": [one.to_dict() for one in budgets],
        }
        terminal.tell(told)
        return 0
    rows = [(row.key, row.usage) for row in report.rows]
    if not report.next and not arguments.after and len(rows) != 1:
        rows.append(("all", report.total))
    columns = [
        (key, f"{used.requests:,}", f"{used.input_tokens:,}", f"{used.output_tokens:,}", money(used.nano_usd))
        for key, used in rows
    ]
    terminal.table((arguments.by, "requests", "tokens in", "tokens out", "cost"), columns, right=(1, 2, 3, 4))
    if unknown := report.total.unknown_cost_requests:
        terminal.say(f"Nobody knows what {unknown:,} of {report.total.requests:,} requests cost.")
    if report.next:
        terminal.note(f"[there is more: --after {report.next}]")
    terminal.say(
        f"This {arguments.window}: {money(forecast.spent_nano_usd)} so far, likely {money(forecast.expected_nano_usd)} "
        f"({money(forecast.low_nano_usd)} to {money(forecast.high_nano_usd)}) by {moment(forecast.ends_at)}."
    )
    for budget in budgets:
        terminal.say(_standing(budget))
    return 0


def _standing(status: BudgetStatus) -> str:
    budget = status.budget

    def said(amount: int) -> str:
        return money(amount) if budget.unit == "nano_usd" else f"{amount:,} {budget.unit}"

    whose = budget.scope if status.key is None else f"{budget.scope} {status.key}"
    again = f", anew {moment(status.resets_at)}" if status.resets_at else ""
    return (
        f"Budget of {whose} per {budget.window}: {said(status.spent)} of {said(budget.amount)} spent, "
        f"{said(status.remaining)} left{again}."
    )
