"""Where the system keeps the times of automations: systemd user timers, or a crontab."""
