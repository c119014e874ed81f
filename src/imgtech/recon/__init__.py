"""Raw data to images; one sub-package a modality, none imports another."""
