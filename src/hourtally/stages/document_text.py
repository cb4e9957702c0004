"""The text of the two documents of each customer's hour, column by column (contract, section 5).

A piece for each resource: its own object, preceded by whatever starts with it, such as a project
or a type. The pieces of a customer's resources, in the order of the frames, which are sorted by id,
are its teams. Both documents have the same structure and the same ids and names; they differ in the
figures of each object.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from hourtally.model.money import CURRENCY_DIGITS
from hourtally.model.money_expressions import format_decimal_expr
from hourtally.model.schemas import CUSTOMER_KEY, HOUR
from hourtally.stages.document_parts import (
    BOTH,
    DOCUMENT,
    USAGE_DOCUMENT,
    byoc_figures,
    escaped,
    object_head,
    paas_figures,
)

# The end of a line, behind its document.
LINE_END: Final = "}\n"


@dataclass(frozen=True)
class Levels:
    """The rows of some customers at every level, all sorted, and their clusters."""

    customers: pl.DataFrame
    teams: pl.DataFrame
    projects: pl.DataFrame
    types: pl.DataFrame
    charges: pl.DataFrame
    clusters: pl.DataFrame


def line_pieces(levels: Levels, currency: str) -> tuple[pl.DataFrame, pl.Series]:
    """The lines of customers in pieces, so that no text is put together twice.

    Args:
        levels: of these customers.
        currency: the rate card's.

    Returns:
        `BOTH`, and `customer`, the number of the customer among these, ascending; and of each
        customer the bytes of its lines before the documents, the same in both.
    """
    customers = _around_teams(levels, currency)
    numbered = customers.select(CUSTOMER_KEY).with_row_index("customer")
    teams = levels.teams.select(CUSTOMER_KEY).unique()
    with_teams = numbered.join(teams, on=CUSTOMER_KEY, how="semi", maintain_order="left")
    pieces = _resource_pieces(levels, customers, with_teams["customer"])
    if len(with_teams) < len(customers):
        # The others have clusters only.
        without = numbered.join(teams, on=CUSTOMER_KEY, how="anti", maintain_order="left")
        whole = customers.select(
            pl.concat_str(f"opening {one}", f"closing {one}").alias(one) for one in BOTH
        )
        number = without["customer"]
        empty = number.to_frame().hstack(whole.select(pl.all().gather(number)))
        pieces = pl.concat([pieces, empty]).sort("customer", maintain_order=True)
    return pieces, customers["head"].str.len_bytes().cast(pl.Int64)


def _around_teams(levels: Levels, currency: str) -> pl.DataFrame:
    """`CUSTOMER_KEY`, `head`, and what stands in the lines before the teams and behind them."""
    customers = levels.customers
    figures = [
        of(customers, prefix).rename({one: f"{prefix}{one}" for one in BOTH})
        for of, prefix in ((paas_figures, "paas_"), (byoc_figures, "byoc_"))
    ]
    head = pl.concat_str(pl.lit('{"customerId":"'), "id", pl.lit('","document":')).alias("head")
    return (
        customers.hstack(figures[0])
        .hstack(figures[1])
        .join(
            _clusters(levels.clusters),
            on=CUSTOMER_KEY,
            how="left",
            validate="1:1",
            maintain_order="left",
        )
        .with_columns(escaped("customer_id").alias("id"), pl.col("clusters").fill_null(""))
        .with_columns(head)
        .select(*CUSTOMER_KEY, "head", *_openings(currency), *_closings())
    )


@cache
def _openings(currency: str) -> tuple[pl.Expr, ...]:
    """What stands in the lines of a customer before its teams."""
    begin = ("head", pl.lit('{"data":{"timestamp":'), HOUR)
    totals = (pl.col(f"{kind}_total_nanocents").cast(pl.Int128) for kind in ("paas", "byoc"))
    return (
        pl.concat_str(
            *begin, pl.lit(',"paasUsage":{'), f"paas_{DOCUMENT}", pl.lit(',"teams":[')
        ).alias(f"opening {DOCUMENT}"),
        pl.concat_str(
            *begin,
            pl.lit(f',"currency":{json.dumps(currency.lower())},"scope":{{"entityType":"team",'),
            pl.lit('"entityId":"'),
            "id",
            pl.lit('"},"total":'),
            format_decimal_expr(pl.sum_horizontal(totals), CURRENCY_DIGITS),
            pl.lit(',"paas":{'),
            f"paas_{USAGE_DOCUMENT}",
            pl.lit(',"teams":['),
        ).alias(f"opening {USAGE_DOCUMENT}"),
    )


@cache
def _closings() -> tuple[pl.Expr, ...]:
    """What stands in the lines of a customer behind its teams."""
    end = "}}}" + LINE_END
    return (
        pl.concat_str(pl.lit(']},"byocUsage":{'), f"byoc_{DOCUMENT}", pl.lit(end)).alias(
            f"closing {DOCUMENT}"
        ),
        pl.concat_str(
            pl.lit(']},"byoc":{'),
            f"byoc_{USAGE_DOCUMENT}",
            pl.lit(',"clusters":['),
            "clusters",
            pl.lit("]" + end),
        ).alias(f"closing {USAGE_DOCUMENT}"),
    )


def _resource_pieces(levels: Levels, around: pl.DataFrame, with_teams: pl.Series) -> pl.DataFrame:
    """`BOTH` of each resource, and the number of its customer.

    Every row of a level has resources. So the text of a resource that is the first of its customer,
    team, project or type first closes what was open before, then opens the new objects; and that of
    a customer's last one closes all.

    Args:
        levels: of the customers.
        around: `_around_teams`.
        with_teams: the numbers of the customers that have resources.
    """
    begins = levels.charges.select(_begins())
    figures = paas_figures(levels.charges)
    of_customers = around.select(pl.all().gather(with_teams)).with_columns(
        pl.concat_str(pl.lit("]}]}]}"), f"closing {one}").alias(f"closing {one}") for one in BOTH
    )
    customer = _numbers(begins["customer_id"])
    ends = begins["customer_id"].shift(-1, fill_value=True).alias("ends customer")
    opened = {
        "customer_id": of_customers.select(pl.col(f"opening {one}").alias(one) for one in BOTH)
    }
    opened |= _opened(levels, begins, figures)
    around_resources = begins.with_columns(ends).select(
        _ends(),
        *(
            pl.when(column)
            .then(texts[document].gather(_numbers(begins[column])))
            .otherwise(pl.lit(""))
            .alias(f"{column} {document}")
            for column, texts in opened.items()
            for document in BOTH
        ),
        *(
            pl.when("ends customer")
            .then(of_customers[f"closing {document}"].gather(customer))
            .otherwise(pl.lit(""))
            .alias(f"closing {document}")
            for document in BOTH
        ),
    )
    head = levels.charges.select(object_head("resource_id", "resource_name"))
    return (
        around_resources.hstack(figures)
        .hstack(head)
        .select(with_teams.gather(customer).alias("customer"), *(_piece(one) for one in BOTH))
    )


def _opened(levels: Levels, begins: pl.DataFrame, figures: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """`BOTH` of the rows of each level, by the column of its id: its object up to its first child.

    begins: whether each resource is the first of something. figures: of the resources.
    """
    opened = {}
    is_child = None
    for column, level, name_column, array in (
        ("resource_type", levels.types, None, "resources"),
        ("project_id", levels.projects, "project_name", "resourceTypes"),
        ("team_id", levels.teams, "team_name", "projects"),
    ):
        starts = begins[column] if is_child is None else begins[column].filter(is_child)
        figures = _level_figures(level, starts, figures)
        is_child = begins[column]
        head = level.select(object_head(column, name_column))
        opened[column] = figures.hstack(head).select(
            pl.concat_str("head", document, pl.lit(f',"{array}":[')).alias(document)
            for document in BOTH
        )
    return opened


def _level_figures(level: pl.DataFrame, starts: pl.Series, children: pl.DataFrame) -> pl.DataFrame:
    """`BOTH` of the rows of a level: their figures as text.

    Most have one child, whose figures are theirs too: printing them once takes a quarter less time.

    Args:
        level: the level.
        starts: of each row below, whether it is the first of its parent.
        children: the texts of those rows.
    """
    first = starts.arg_true().cast(pl.Int64)
    has_one = (first.shift(-1, fill_value=len(starts)) - first) == 1
    others = paas_figures(level.filter(~has_one))
    own = (~has_one).cum_sum().cast(pl.Int64) + (len(children) - 1)
    return pl.concat([children, others]).select(pl.all().gather(first.zip_with(has_one, own)))


def _clusters(clusters: pl.DataFrame) -> pl.DataFrame:
    """`clusters` by hour and customer: the objects of its clusters, joined by commas."""
    figures = byoc_figures(clusters).get_column(USAGE_DOCUMENT).alias("figures")
    return (
        clusters.with_columns(figures)
        .with_columns(object_head("cluster_id", "cluster_name"))
        .select(*CUSTOMER_KEY, pl.concat_str("head", "figures", pl.lit("}")).alias("clusters"))
        .group_by(CUSTOMER_KEY, maintain_order=True)
        .agg("clusters")
        .with_columns(pl.col("clusters").list.join(","))
    )


@cache
def _piece(document: str) -> pl.Expr:
    """A resource, and before it what starts with it."""
    columns = ("customer_id", "team_id", "project_id", "resource_type")
    opened = (f"{column} {document}" for column in columns)
    parts = ("ends", *opened, "head", document, pl.lit("}"), f"closing {document}")
    return pl.concat_str(*parts).alias(document)


@cache
def _begins() -> tuple[pl.Expr, ...]:
    """Whether each resource is the first of its customer, team, project and type."""
    columns = (HOUR, "customer_id", "team_id", "project_id", "resource_type")
    changes = [(pl.col(c) != pl.col(c).shift()).fill_null(value=True) for c in columns]
    return tuple(
        pl.any_horizontal(changes[: depth + 1]).alias(column)
        for depth, column in enumerate(columns)
        if depth
    )


@cache
def _ends() -> pl.Expr:
    """The closing brackets before a resource that is the first of something."""
    return (
        pl.when("customer_id")
        .then(pl.lit(""))
        .when("team_id")
        .then(pl.lit("]}]}]},"))
        .when("project_id")
        .then(pl.lit("]}]},"))
        .when("resource_type")
        .then(pl.lit("]},"))
        .otherwise(pl.lit(","))
        .alias("ends")
    )


def _numbers(begins: pl.Series) -> pl.Series:
    """The number, from 0, of the customer (or team …) of each resource, from where each starts."""
    return begins.cum_sum() - 1
