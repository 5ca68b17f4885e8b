"""From what the predictor returns, or raises, to what goes over the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from features.errors import ArtifactError, NotTrained
from serving.bodies import JSON
from serving.cursors import BadCursor
from serving.forecasts import NotExplained, NotForecast, NotPublished
from serving.planning import NotPlanned, OverlappingRegions, UnknownNode
from serving.problems import Fault, Kind, Problem, as_sentence


def respond(
    content: bytes,
    media_type: str = JSON,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response that no cache keeps: answers are personal, or change with the champion."""
    return Response(
        content,
        status_code=status,
        headers={"Content-Type": media_type, "Cache-Control": "no-store", **(headers or {})},
    )


def check_no_query(request: Request) -> None:
    """Refuse query parameters where there are none."""
    if request.url.query:
        raise Problem(Kind.INVALID, "This address takes no query parameters; remove them.")


@contextmanager
def as_problems() -> Iterator[None]:
    """Turn what the predictor refuses into problems."""
    try:
        yield
    except (NotTrained, ArtifactError) as error:
        # Where it lies that was found damaged after it was loaded, is not for callers to know.
        damaged = "The published forecasts are damaged; they have to be promoted again."
        said = damaged if isinstance(error, ArtifactError) else as_sentence(error)
        raise Problem(Kind.NOT_LOADED, said, headers={"Retry-After": "30"}) from None
    except (NotPlanned, NotExplained) as error:
        raise Problem(Kind.NOT_PLANNED, as_sentence(error)) from None
    except OverlappingRegions as error:
        fault = Fault(str(error), pointer=error.place)
        raise Problem(Kind.INVALID, f"{error.place}: {error}.", [fault]) from None
    except UnknownNode as error:
        where = "pointer" if error.place.startswith("#") else "parameter"
        fault = Fault(str(error), **{where: error.place})
        raise Problem(Kind.NOT_FORECAST, as_sentence(error), [fault]) from None
    except NotForecast as error:
        raise Problem(Kind.NOT_FORECAST, as_sentence(error)) from None
    except NotPublished as error:
        fault = Fault(str(error), parameter="quantiles")
        raise Problem(Kind.INVALID, f"quantiles: {error}.", [fault]) from None
    except BadCursor as error:
        fault = Fault(str(error), parameter="cursor")
        raise Problem(Kind.INVALID, f"cursor: {error}.", [fault]) from None
