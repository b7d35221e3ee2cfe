"""The deployment pages, executed; whatever starts whole fleets. Run by `make deployment`, left out of `make test`."""
