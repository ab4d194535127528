"""${message}."""

from zxo.kit.sql import run_script

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say here what a reader of the table must know."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        """
    )


def downgrade() -> None:
    """Undo exactly what upgrade did."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        """
    )
