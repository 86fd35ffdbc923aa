"""The network: cells, training and sampling. It has never heard of logs or characters."""
