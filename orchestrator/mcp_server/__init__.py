"""orch as an MCP server: an agent plans, starts, follows and reads runs for a person.

1. It says nothing that a person must say: it trusts no command, allows no held change, starts no
   plan that may change what is protected, raises no budget, chooses no sandbox. Each refusal names
   the command that a person types.
2. It accepts only into branches that the settings name for it, and only while a person trusts them.
3. A run that it starts has an engine of its own, as after `orch run --detach`: a client that goes,
   or dies, takes nothing with it. Any number of clients work at the same time.
4. Each answer is one JSON value of less than 2 kB (`fitting`), with what to do next in it. What
   does not fit is counted, and can be asked for.
5. Secrets are hidden in all that leaves, errors too. What agents and gates printed is data.
6. What cannot be done is the answer of the tool: what, where, and what to do next.
7. Only the protocol goes to stdout; what goes on is said on stderr, and lost where nobody reads it.

Nothing but the command `orch mcp` imports this package: the SDK costs a second.
"""
