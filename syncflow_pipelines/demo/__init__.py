"""A source system to try SyncFlow on: an ERP behind the APISmith contract, with rows that change."""
