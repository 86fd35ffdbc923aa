"""The configuration: settings, typed and documented where they are declared."""
