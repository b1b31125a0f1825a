"""What calls cost: by the user's own table, else by the price list that orch comes with.

1. A user's price wins, for the model as it is named in requests, or as `provider:model`.
2. The list (genai-prices) knows providers by their addresses. A model that is served elsewhere has
   no price in it, whatever its name: a local server's costs nothing or something that only its
   owner knows. The list is never fetched.
3. What has no price costs an unknown amount: None, never zero.
4. What may go into a cache is reserved at the price of that. Where a request wants its cache kept
   for an hour all that it writes there is counted at that price.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ledger.model import Price, Tokens


class Prices:
    """The user's table over the list."""

    def __init__(self, table: Iterable[Price] = (), *, use_list: bool = True) -> None:
        self._own = {price.model: price for price in table}
        self._use_list = use_list

    def cost_usd(
        self, provider: str, url: str, model: str, tokens: Tokens, *, long_cache: bool = False
    ) -> float | None:
        """What a call cost; None: not known."""
        own = self._own.get(f"{provider}:{model}") or self._own.get(model)
        if own is not None:
            return own.cost_usd(tokens)
        return _listed(url, model, tokens, long_cache) if self._use_list else None

    def worst_usd(
        self,
        provider: str,
        url: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        *,
        long_cache: bool = False,
    ) -> float | None:
        """What a call may cost at most; None: not known."""
        cases = (
            Tokens(input=input_tokens, output=output_tokens),
            Tokens(cache_write=input_tokens, output=output_tokens),
            Tokens(cache_read=input_tokens, output=output_tokens),
        )
        costs = [self.cost_usd(provider, url, model, case, long_cache=long_cache) for case in cases]
        known = [cost for cost in costs if cost is not None]
        return max(known) if len(known) == len(costs) else None


@lru_cache(maxsize=256)
def _priced(url: str, model: str) -> bool:
    """Whether the list has that model at that address."""
    from genai_prices import Usage, calc_price

    try:
        calc_price(Usage(input_tokens=1, output_tokens=1), model, provider_api_url=url)
    except LookupError:
        return False
    return True


def _listed(url: str, model: str, tokens: Tokens, long_cache: bool) -> float | None:
    if not _priced(url, model):
        return None
    from genai_prices import Usage, calc_price

    written = {"cache_write_tokens": tokens.cache_write}
    if long_cache:
        written["cache_write_1h_tokens"] = tokens.cache_write
    usage = Usage(
        input_tokens=tokens.input + tokens.cache_read + tokens.cache_write,
        cache_read_tokens=tokens.cache_read,
        output_tokens=tokens.output,
        **written,
    )
    return float(calc_price(usage, model, provider_api_url=url).total_price)
