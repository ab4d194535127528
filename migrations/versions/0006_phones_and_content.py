"""Phone numbers and the codes that prove them."""

from zxo.kit.sql import run_script

revision = "0006"
down_revision = "0005"


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
