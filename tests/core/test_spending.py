from rag_api.core.ports import Usage
from rag_api.core.spending import Prices, asked, estimated, priced, total


def test_a_cost_is_by_the_million_and_for_each_way_its_own() -> None:
    usage = priced(Usage(1_000, 200, 1_200), Prices(3.0, 15.0))
    assert usage.cost == 0.006
    assert priced(Usage(1_000, 200, 1_200), None).cost is None


def test_an_estimate_says_that_it_is_one_and_counts_the_reasoning() -> None:
    usage = estimated(asked(["x" * 400, "y" * 40]), "word " * 20, "hm, " * 10)
    assert usage == Usage(100 + 4 + 10 + 4, 25 + 10, 118 + 35, 10, estimated=True)
    assert estimated(0, "Six.", "").reasoning_tokens is None


def test_an_estimate_does_not_depend_on_the_script() -> None:
    japanese, english = estimated(0, "営業時間は六時からです", ""), estimated(0, "the bakery opens at six", "")
    assert 0.5 < japanese.completion_tokens / english.completion_tokens < 2


def test_a_total_is_of_all_that_answered() -> None:
    one, other = Usage(10, 5, 15, 2, cost=0.5), Usage(20, 1, 21, None, estimated=True, cost=0.25)
    assert total(one, other) == Usage(30, 6, 36, 2, estimated=True, cost=0.75)
    assert total(None, other) == other
    assert total(one, None) == one
    assert (total(one, Usage(1, 1, 2)) or one).cost is None
