"""Character models: training them on texts, and letting them write."""
