"""What guides workers beside the rules: AGENTS.md files and skills, found, checked, recorded."""
