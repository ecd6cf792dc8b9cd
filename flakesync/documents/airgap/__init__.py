"""What crosses an air gap: the manifest of a bundle, the receipt, the answers of bundle and import."""
