"""Memberships, and the codes that grant them."""

from zxo.kit.sql import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing yet."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        """
    )


def downgrade() -> None:
    """Take it away again."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        """
    )
