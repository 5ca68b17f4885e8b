import pytest

from features.errors import ArtifactError
from serving.problems import Kind, Problem
from serving.responses import as_problems


def test_damage_found_while_answering_is_503_and_tells_no_path():
    with pytest.raises(Problem) as raised, as_problems():
        raise ArtifactError("/secret/rows.bin: damaged")
    assert (raised.value.kind, raised.value.headers["Retry-After"]) == (Kind.NOT_LOADED, "30")
    assert "secret" not in raised.value.body("id").decode()
