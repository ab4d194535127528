"""Running a migration's SQL as it is written."""

from alembic import op


def run_script(sql: str) -> None:
    """Run several statements in the migration's transaction.

    They go to the server as one text: prepared statements, which the database layer would make of
    each, allow only one.
    """
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # the layer opens its transaction on the first statement
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.run_async(lambda raw: raw.execute(sql))
