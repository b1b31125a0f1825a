"""The facts by what they tell of; `ledger.events` is their union."""
