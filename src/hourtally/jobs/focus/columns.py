"""The columns of the dataset, by version of FOCUS; ours come last and begin with `x_`.

Sources: FOCUS 1.2; of 1.3 and 1.4 what the specification's repository has of the columns.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

import polars as pl

Version = Literal["1.2", "1.3", "1.4"]
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)
Format = Literal["parquet", "csv"]

# Cents / 100 to the nanocent; hours to the nano-hour; prices, which may have no end, to 18 digits.
COST: Final = pl.Decimal(38, 11)
QUANTITY: Final = pl.Decimal(38, 9)
UNIT_PRICE: Final = pl.Decimal(38, 18)
INSTANT: Final = pl.Datetime("ms", "UTC")
_TEXT: Final = pl.String()


class Column(NamedTuple):
    """A column of the dataset. versions: those that have it."""

    name: str
    dtype: pl.DataType
    versions: tuple[Version, ...] = VERSIONS


COLUMNS: Final = (
    *(Column(name, COST) for name in ("BilledCost", "EffectiveCost", "ContractedCost", "ListCost")),
    *(
        Column(name, _TEXT)
        for name in (
            *("BillingAccountId", "BillingAccountName", "BillingAccountType"),
            *("SubAccountId", "SubAccountName", "SubAccountType"),
            "BillingCurrency",
        )
    ),
    *(
        Column(name, INSTANT)
        for name in (
            *("BillingPeriodStart", "BillingPeriodEnd"),
            *("ChargePeriodStart", "ChargePeriodEnd"),
        )
    ),
    *(
        Column(name, _TEXT)
        for name in ("ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency")
    ),
    Column("ConsumedQuantity", QUANTITY),
    Column("ConsumedUnit", _TEXT),
    Column("PricingQuantity", QUANTITY),
    Column("PricingUnit", _TEXT),
    Column("PricingCategory", _TEXT),
    Column("ListUnitPrice", UNIT_PRICE),
    Column("ContractedUnitPrice", UNIT_PRICE),
    Column("ProviderName", _TEXT, ("1.2", "1.3")),
    Column("PublisherName", _TEXT, ("1.2", "1.3")),
    Column("ServiceProviderName", _TEXT, ("1.3", "1.4")),
    Column("HostProviderName", _TEXT, ("1.3", "1.4")),
    *(
        Column(name, _TEXT)
        for name in (
            "InvoiceIssuerName",
            *("ServiceName", "ServiceCategory", "ServiceSubcategory"),
            *("ResourceId", "ResourceName", "ResourceType"),
            *("RegionId", "RegionName"),
            *("SkuId", "SkuMeter", "SkuPriceId", "SkuPriceDetails"),
            "Tags",
            *("x_ProjectId", "x_ProjectName", "x_Hour"),
        )
    ),
    Column("x_Revision", pl.Int64()),
    Column("x_Component", _TEXT),
)


def columns_of(version: Version) -> tuple[Column, ...]:
    """The columns of a version, in order."""
    return tuple(column for column in COLUMNS if version in column.versions)
