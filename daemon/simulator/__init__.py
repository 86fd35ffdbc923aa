"""A simulated application: its log, its failures, and what could be known of them beforehand."""
