"""FrugalCXR, the application: contract, data sets, networks, losses, engines and tracking."""

__version__ = "0.1.0"
