"""What the promotion chapter says, from evidence worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.training_evidence import (
    make_half_life,
    make_parts_evidence,
    make_promotion_evidence,
    make_proof_evidence,
)
from training.chapters import Chapter, Grid, Section
from training.lifecycle import read_evidence, write_evidence
from training.offers.chapter import write_choice
from training.plots import make_promotion_figures
from training.promotion.chapter import write_promotion_chapter
from training.promotion.proof_chapter import summarise_verdicts

SEND_TIMES = [
    "Send times: models compared",
    "Send times: whether the probabilities come true",
    "Send times: what the model looks at",
    "Notes and limits",
]
WHOLE = [
    "What is published, and what is not",
    "What these send times are worth, before anything is sent",
    "Whether the probabilities of engaging come true",
    "Send times: models compared",
    "Send times: whether the probabilities come true",
    "Send times: how fast habits fade",
    "Send times: everybody's week",
    "Send times: what the model looks at",
    "Answers: models compared",
    "Time to open",
    "Answers: what the model looks at",
    "Orders to come: models compared",
    "Orders to come: whether they come as foreseen",
    "Orders to come: what the model looks at",
    "Offers: rankings compared",
    "Offers: what they change, and for whom",
    "Offers: what policies are worth",
    "Notes and limits",
]
TIE = "Qini 0.0300 against 0.0200 of the cell rule, difference 0.0100 [−0.0200, 0.0400]"


def write(**changes: pd.DataFrame | None) -> Chapter:
    """Write the chapter of all evidence, with some of it replaced, or left out where None."""
    tables = make_promotion_evidence() | make_parts_evidence() | changes
    return write_promotion_chapter({k: table for k, table in tables.items() if table is not None})


def find(chapter: Chapter, title: str) -> Section:
    (section,) = [section for section in chapter.sections if section.title == title]
    return section


def text_of(section: Section) -> str:
    return " ".join(section.sentences).replace("\u202f", " ")


def tell(chapter: Chapter) -> list[object]:
    """All words and numbers of a chapter; pictures by their captions."""
    return [
        (one.title, one.sentences, tuple(p.caption for p in one.pictures), one.grids)
        for one in chapter.sections
    ]


@pytest.fixture(scope="module")
def chapter() -> Chapter:
    return write()


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    """All figures, drawn once."""
    gains = make_proof_evidence()["policy_gains"].assign(target="receptivity")
    tables = make_promotion_evidence() | make_parts_evidence() | {"fallback_gains": gains}
    return make_promotion_figures(tables)


@pytest.fixture
def quick(figures, monkeypatch) -> None:
    """Leave out the drawing, for tests of what is written."""
    monkeypatch.setattr("training.promotion.chapter.make_promotion_figures", lambda _: figures)


def test_send_times_alone_are_told_without_what_is_not_there():
    alone = write_promotion_chapter(make_promotion_evidence())
    assert [section.title for section in alone.sections] == SEND_TIMES
    assert "Before launch" not in alone.headline
    assert "rest on activity" in text_of(alone.sections[-1])


def test_everything_that_was_left_is_told_in_its_order(chapter):
    assert [section.title for section in chapter.sections] == WHOLE


def test_every_picture_has_words_and_a_table_beside_it(chapter):
    drawn = [section for section in chapter.sections if section.pictures]
    assert len(drawn) == 15
    for section in drawn:
        assert section.grids
        assert all(grid.rows for grid in section.grids)
        assert all(len(picture.alternative) > 20 for picture in section.pictures)
    for grid in (grid for section in chapter.sections for grid in section.grids):
        assert {len(row) for row in grid.rows} == {len(grid.columns)}


@pytest.mark.parametrize("group", ["response", "policy", "touch", "value", "offer"])
def test_each_part_may_be_absent(group):
    gone = {name: None for name in make_parts_evidence() if name.startswith(f"{group}_")}
    titles = [section.title for section in write(**gone).sections]
    assert titles == [title for title in WHOLE if title in titles]
    assert len(titles) < len(WHOLE)


@pytest.mark.usefixtures("quick")
def test_evidence_reads_back_from_its_files_as_the_same_chapter(chapter, tmp_path):
    write_evidence(make_promotion_evidence() | make_parts_evidence(), tmp_path / "runs")
    again = write_promotion_chapter(read_evidence(tmp_path / "runs"))
    assert again.headline == chapter.headline
    assert tell(again) == tell(chapter)


def test_the_headline_ends_with_what_is_proven(chapter):
    assert chapter.headline.endswith(
        "Before launch, send times by response are proven better than the best global hour; "
        "for 1 other policy there is not enough evidence."
    )


def test_verdicts_without_a_claim_say_how_many_sends_are_missing():
    gains = make_proof_evidence()["policy_gains"]
    unsure = gains.assign(verdict="not enough evidence", more_sends=[3000.0, 2000.0])
    assert summarise_verdicts(unsure) == (
        "Before launch, there is not enough evidence that send times by response are better or "
        "worse than any of 2 other policies; a first claim may take about 2,000 more sends."
    )
    hopeless = unsure.assign(more_sends=np.nan)
    assert summarise_verdicts(hopeless).endswith("any of 2 other policies.")


def test_verdicts_for_and_against_are_both_told():
    gains = make_proof_evidence()["policy_gains"].assign(verdict=["better", "worse"])
    assert summarise_verdicts(gains) == (
        "Before launch, send times by response are proven better than the best global hour and "
        "worse than the logged policy."
    )


def test_what_is_published_and_why_not_is_told(chapter):
    section = find(chapter, WHOLE[0])
    assert "as that was proven before launch" in text_of(section)
    assert section.grids[0].rows == (
        ("when customers are active", "published", "LightGBM, chosen by the backtest"),
        ("answers to messages", "published",
         "LightGBM, proven better than every baseline that counts"),
        ("orders to come", "published", "BG/NBD"),
        ("which offer for whom", "left out", "7 customers are too few"),
    )  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_send_times_of_an_unproven_response_model_rest_on_activity():
    published = make_parts_evidence()["published"].assign(is_published=False)
    chapter = write(published=published)
    assert "was not proven" in text_of(find(chapter, WHOLE[0]))
    assert "tell when customers are active by themselves" in text_of(chapter.sections[-1])


@pytest.mark.usefixtures("quick")
def test_limits_are_of_what_was_told(chapter):
    limits = text_of(chapter.sections[-1])
    assert limits.startswith("only 2 test windows fit")
    assert "Send times that rest on activity" not in limits  # responses are published
    for words in (
        "The proof values",
        "Orders to come are",
        "What offers change",
        "They do not hold",
    ):
        assert words in limits
    alone = text_of(write_promotion_chapter(make_promotion_evidence()).sections[-1])
    assert "The proof values" not in alone
    assert "Orders to come" not in alone


@pytest.mark.usefixtures("quick")
def test_why_nothing_can_be_proven_is_told_where_the_proof_would_be():
    proof = dict.fromkeys(make_proof_evidence())
    notes = pd.DataFrame({"note": ["every message went out at 09:00"]})
    section = find(write(**(proof | {"policy_notes": notes})), WHOLE[1])
    assert section == Section(WHOLE[1], ("every message went out at 09:00",))


def test_the_proof_is_told_in_short_above_its_table(chapter):
    section = find(chapter, WHOLE[1])
    assert section.sentences[0] == summarise_verdicts(make_proof_evidence()["policy_gains"])
    assert "before launch: better by" not in text_of(section)
    assert section.grids[0].rows[0][1] == "better by 0.02 than the best global hour"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("weight", "is_warned"), [(1.0, False), (1.4, False), (3.0, True)])
def test_weights_far_above_one_are_not_believed(weight, is_warned):
    values = make_proof_evidence()["policy_values"].assign(covered=weight)
    words = find(write(policy_values=values), WHOLE[1]).sentences[0]
    assert words.startswith("Believe none of this yet") == is_warned
    assert ("up to 3.0, where" in words) == is_warned


@pytest.mark.usefixtures("quick")
def test_the_value_of_activity_is_told_where_responses_were_to_be_proven():
    title = "What send times that rest on activity are worth"
    gains = make_proof_evidence()["policy_gains"]
    chapter = write(fallback_gains=gains.assign(target="receptivity"))
    section = find(chapter, title)
    assert [one.title for one in chapter.sections].index(title) == 2
    assert "send times by receptivity are proven better than the best global hour" in text_of(
        section
    )
    assert section.grids[0].rows[0][:3] == (
        "best global hour", "better by 0.02 than the best global hour", "0.0200"
    )  # fmt: skip
    same = write(fallback_gains=gains)
    assert title not in [one.title for one in same.sections]


def test_a_chosen_half_life_is_told_with_the_others(chapter):
    section = find(chapter, "Send times: how fast habits fade")
    assert "half after 3,650 days, which is practically no fading" in text_of(section)
    assert section.grids[0].rows == (
        ("30 days", "", "0.03010", "1.6000"),
        ("3,650 days", "chosen", "0.03000", "1.5000"),
    )


@pytest.mark.usefixtures("quick")
def test_a_half_life_that_was_set_is_told_as_such():
    table = make_half_life().tail(1).assign(half_life_days=90.0, log_loss=np.nan, block_loss=np.nan)
    section = find(write(half_life=table), "Send times: how fast habits fade")
    assert text_of(section) == (
        "What a customer did counts half after 90 days, as the project file sets; nothing else "
        "was tried."
    )
    assert section.grids == ()


def test_everybodys_week_names_its_greatest_hour(chapter):
    """167 hours of 0.1 % and one, the last of Sunday, of 16.9 %: 0.2 % in the mean."""
    section = find(chapter, "Send times: everybody's week")
    assert "greatest on Sun 23:00 (16.90 %) and 0.20 % in the mean" in text_of(section)
    grid = section.grids[0]
    assert grid.columns == ("hour", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    assert len(grid.rows) == 24
    assert [cell.replace("\u202f", " ") for cell in grid.rows[-1]] == [
        "23:00", *["0.10 %"] * 6, "16.90 %"
    ]  # fmt: skip


@pytest.mark.usefixtures("quick")
def test_the_week_does_not_hang_on_the_order_of_its_rows(chapter):
    week = make_parts_evidence()["week"].sample(frac=1.0, random_state=1)
    title = "Send times: everybody's week"
    assert find(write(week=week), title).grids == find(chapter, title).grids


def test_answers_are_told_with_their_gain(chapter):
    """0.03 nats are a tenth, so 0.015 to 0.045 are 5 to 15 %."""
    section = find(chapter, "Answers: models compared")
    words = text_of(section)
    assert "400 messages of the test windows" in words
    assert "12.0 % were answered" in words
    assert (
        "The gain of LightGBM over global hour: 10.0 % less log-loss (95 % interval 5.0 % to"
        in words
    )
    groups = section.grids[2]
    assert groups.columns[-2:] == ("global hour", "LightGBM")
    assert groups.rows[1][:2] == ("06-12", "hours")
    assert groups.rows[1][-2:] == ("0.30000", "0.27000")


def test_time_to_open_is_told_by_channel(chapter):
    (grid,) = find(chapter, "Time to open").grids
    assert grid.rows[0][:2] == ("email", "any")
    assert grid.rows[-1][:2] == ("push", "evening")
    assert grid.rows[-1][-1] == "5.0"
    assert len(grid.rows) == 10


def test_orders_are_told_of_the_published_model_against_the_best_baseline(chapter):
    section = find(chapter, "Orders to come: models compared")
    words = text_of(section)
    assert "whether they order within 28 days" in words
    assert (
        "Whether there is an order: BG/NBD against the best baseline, own rate so far, 5.0 % less "
        "log-loss (95 % interval 2.5 % to 7.5 %)."
    ) in words
    assert "less deviance (95 % interval −10.0 % to 20.0 %), which may be chance." in words
    assert "BG/NBD expected 97.0 % of the purchase days that came" in words
    calibration = find(chapter, "Orders to come: whether they come as foreseen")
    assert calibration.grids[0].caption == "Foreseen and come, by tenths of what BG/NBD expects"
    assert "BG/NBD, does not use them" in text_of(
        find(chapter, "Orders to come: what the model looks at")
    )


@pytest.mark.usefixtures("quick")
def test_without_a_published_value_model_the_last_one_is_told():
    section = find(write(published=None), "Orders to come: whether they come as foreseen")
    assert section.grids[0].caption.endswith("what LightGBM expects")


def test_a_tie_with_the_cell_rule_is_said(chapter):
    section = find(chapter, "Offers: rankings compared")
    assert "beat the cell rule for 1 of 2 offers" in text_of(section)
    assert "propensities were estimated" in section.sentences
    assert not [words for words in section.sentences if "a tie" in words]  # once, in the table
    assert section.grids[0].rows == (
        ("ten", "cell rule",
         f"the best learner, S-learner, has {TIE}: a tie, so the simpler rule stays"),
        ("mug", "X-learner",
         "better than the cell rule: Qini 0.0900 against 0.0200 of the cell rule, difference "
         "0.0700 [0.0100, 0.1200]"),
    )  # fmt: skip


def test_a_learner_that_is_worse_is_no_tie_and_none_is_no_comparison():
    rows = [("t", 0.01, -0.03, -0.05, -0.01), ("cell_rule", 0.04, 0.0, 0.0, 0.0)]
    scores = pd.DataFrame(rows, columns=["ranking", "qini", "gain", "low", "high"])
    assert ": worse, so the simpler rule stays" in write_choice("cell_rule", scores)
    assert write_choice("cell_rule", scores.tail(1)) == (
        "there was nothing to compare the cell rule with"
    )


def test_cells_are_told_with_intervals(chapter):
    section = find(chapter, "Offers: what they change, and for whom")
    assert "above 0 in 1 of 3 cells" in text_of(section)
    grid: Grid = section.grids[0]
    assert [row[1] for row in grid.rows] == ["is_new and orders <= 3", "not is_new", "everybody"]
    assert [cell.replace("\u202f", " ") for cell in grid.rows[0][2:]] == [
        "400", "10.00 %", "5.00 %", "2.00 %", "8.00 %"
    ]  # fmt: skip


def test_policies_are_told_in_money(chapter):
    words = text_of(find(chapter, "Offers: what policies are worth"))
    assert (
        "ten: cell rule adds 0.90 [0.30, 1.50] a customer; offer it to everybody adds 0.50 "
        "[−0.20, 1.20]."
    ) in words
    assert "mug: no policy is sure to add anything to offering nothing." in words
