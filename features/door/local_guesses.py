"""How a stranger's file writes numbers and dates, and what its columns are called elsewhere.

As with all guesses, they are only ever written into a draft that the user reads.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from features.schema import Events, Sales

_DATE = re.compile(r"(\d{1,4})([/.\- ])(\d{1,2})\2(\d{1,4})(?=$|[T ])")
_COMMA = re.compile(r"[+-]?(\d{1,3}([. ]\d{3})+|\d+)(,\d+)?|[+-]?,\d+")
_SURELY_COMMA = re.compile(r".*,(\d{1,2}|\d{4,})|.*\.\d{3},\d+")
_CUSTOMERS = (
    *("kunde", "kunden_id", "kundennummer", "kundennr", "client", "id_client", "cliente"),
    *("id_cliente", "العميل", "رقم العميل"),
)
ELSEWHERE = {
    Sales.REGION_ID: (
        *("filiale", "filial_id", "markt", "laden", "standort", "magasin", "tienda", "sucursal"),
        *("الفرع", "المتجر"),
    ),
    Sales.PRODUCT_ID: (
        *("artikel", "artikelnummer", "artikelnr", "produkt", "produit", "référence", "producto"),
        *("artículo", "المنتج", "الصنف"),
    ),
    Sales.DATE: ("datum", "tag", "verkaufsdatum", "jour", "fecha", "día", "التاريخ", "تاريخ"),
    Sales.UNITS: (
        *("menge", "stück", "stückzahl", "anzahl", "absatz", "quantité", "cantidad", "unidades"),
        *("الكمية",),
    ),
    Sales.REVENUE: ("umsatz", "erlös", "chiffre d'affaires", "ingresos", "الإيرادات"),
    Sales.PRICE: ("preis", "stückpreis", "prix", "precio", "السعر"),
    Sales.BASE_PRICE: ("listenpreis", "normalpreis", "prix normal", "precio normal"),
    Sales.IS_PROMOTED: ("aktion", "promoción", "عرض"),
    Sales.ON_HAND: ("bestand", "lagerbestand", "existencias", "المخزون"),
    Events.CUSTOMER_ID: _CUSTOMERS,
    Events.OCCURRED_AT: (
        *("zeitpunkt", "zeitstempel", "bestellzeit", "bestelldatum", "datum", "horodatage"),
        *("date de commande", "fecha", "fecha y hora", "الوقت", "التاريخ"),
    ),
    Events.ORDER_ID: ("bestellnummer", "bestellnr", "auftrag", "commande", "pedido", "رقم الطلب"),
    Events.VALUE: ("betrag", "umsatz", "wert", "montant", "importe", "المبلغ"),
    Events.CURRENCY: ("währung", "devise", "moneda", "العملة"),
    Events.QUANTITY: ("menge", "anzahl", "quantité", "cantidad", "الكمية"),
}
"""By our column: names in German, French, Spanish and Arabic."""


@dataclass(frozen=True)
class DateForm:
    """How dates are written.

    Attributes
    ----------
    pattern : str
        As %d.%m.%Y.
    is_certain : bool
        False where all dates read as well with day and month the other way round.
    """

    pattern: str
    is_certain: bool


def guess_date_format(texts: Collection[str]) -> DateForm | None:
    """Return the one form that every date of a column is written in; None where there is none.

    Where nothing tells day from month, the day is taken to come first, as most of the world has it.

    Examples
    --------
    >>> guess_date_format(["03.01.2025", "31.01.2025 18:30"])
    DateForm(pattern='%d.%m.%Y', is_certain=True)
    >>> guess_date_format(["1/2/2025", "3/2/2025"]).is_certain
    False
    """
    found = [_DATE.match(text) for text in texts]
    parts = [match for match in found if match is not None]
    if not parts or len(parts) < len(found) or len({match[2] for match in parts}) > 1:
        return None
    mark = parts[0][2]
    if all(len(match[1]) == 4 for match in parts):
        return DateForm(f"%Y{mark}%m{mark}%d", is_certain=True)
    lengths = {len(match[4]) for match in parts}
    if len(lengths) > 1 or not lengths <= {2, 4}:
        return None
    year = "%Y" if lengths == {4} else "%y"
    can_begin_with_day = max(int(match[3]) for match in parts) <= 12
    can_begin_with_month = max(int(match[1]) for match in parts) <= 12
    if not can_begin_with_day and not can_begin_with_month:
        return None
    first, second = ("%d", "%m") if can_begin_with_day else ("%m", "%d")
    return DateForm(
        f"{first}{mark}{second}{mark}{year}", not (can_begin_with_day and can_begin_with_month)
    )


def has_decimal_comma(texts: Collection[str]) -> bool:
    """Say whether a column surely writes 1.5 as 1,5.

    Examples
    --------
    >>> has_decimal_comma(["3", "1.234,50"]), has_decimal_comma(["1,234"])
    (True, False)
    """
    return all(_COMMA.fullmatch(text) for text in texts) and any(
        _SURELY_COMMA.fullmatch(text) for text in texts
    )
