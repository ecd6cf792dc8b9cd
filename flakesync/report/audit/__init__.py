"""The answers of `flakesync audit`: text, SARIF; and the bill of materials."""
