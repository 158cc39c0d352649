"""The service processor of a host: its sensors, its event log, its power switch."""
