"""Phone numbers and the codes that prove them."""

from zxo.kit.sql import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Who takes the table learns neither a number, nor who asked for a code, nor the code."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';

        CREATE TABLE sms_codes (
            id bytea PRIMARY KEY CHECK (length(id) = 32),
            digest bytea NOT NULL CHECK (length(digest) = 32),
            tries_left smallint NOT NULL CHECK (tries_left >= 0),
            expires_at timestamptz NOT NULL
        );
        COMMENT ON COLUMN sms_codes.id
            IS 'HMAC of what the code is for: a log-in with a number, or a number for an account';
        COMMENT ON COLUMN sms_codes.digest IS 'HMAC of the same and the code';
        CREATE INDEX idx_sms_codes_expires ON sms_codes (expires_at);
        """
    )


def downgrade() -> None:
    """Take it away again."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        DROP TABLE sms_codes;
        """
    )
