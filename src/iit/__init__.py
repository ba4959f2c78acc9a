"""IIT ML Service: predicts, explains and helps to prevent interruptions in HIV treatment."""

__version__ = "0.1.0"
