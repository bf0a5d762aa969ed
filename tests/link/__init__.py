"""Links, arrivals, dialling and splices, over memory."""
