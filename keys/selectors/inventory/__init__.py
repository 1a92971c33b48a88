"""The list of API keys: filtered, searched, sorted and paged at the same cost for any number of keys.

To change the page, read these:

- ``table``: the rows of the page and of the CSV export.
- ``filters``: the form behind the query string. A new filter starts here.
- ``columns``: the columns of the table. A new column starts here.
- ``freshness``: when the inventory was last compared with Cerby.

You can skip the others until you need to know why a page stays fast:

- ``conditions``: each filter as a condition, and the choice of the index that answers the query.
- ``search``: the substring search as a condition, for SQLite and PostgreSQL.
- ``keyset``: paging without OFFSET or COUNT. The activity page uses it as well.
- ``exports``: CSV rows with their number, read in one statement.
- ``widgets``: form fields that render faster than Django's.
"""
