"""What boards, reminders and live notices need beside the first tables."""

from zxo.kit.sql import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Notices are read by user in the order of their ids, which is that of their commits. Nothing has
    written any before, so that `expires_at` (when to delete one) needs no value for old rows.

    A reminder is found by its time of day; few people live outside Asia/Shanghai, so that only they
    are listed by their zone (the index is not touched by a check-in of anybody else).
    """
    run_script(
        """
        SET LOCAL lock_timeout = '3s';

        CREATE INDEX idx_notifications_user ON notifications (user_id, id);
        ALTER TABLE notifications ADD COLUMN expires_at timestamptz NOT NULL;
        CREATE INDEX idx_notifications_expires ON notifications (expires_at);

        CREATE INDEX idx_settings_reminder ON user_settings (check_in_reminder_time, user_id)
            WHERE enable_check_in_reminder;
        CREATE INDEX idx_settings_hidden ON user_settings (user_id) WHERE NOT show_in_ranking;
        CREATE INDEX idx_users_timezone ON users (timezone) WHERE timezone <> 'Asia/Shanghai';

        CREATE TABLE watermarks (
            name text PRIMARY KEY,
            reached_at timestamptz NOT NULL
        );
        COMMENT ON TABLE watermarks IS 'up to which instant a recurring job has done its work';
        """
    )


def downgrade() -> None:
    """Take them away again."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        DROP TABLE watermarks;
        DROP INDEX idx_notifications_user, idx_notifications_expires, idx_settings_reminder,
            idx_settings_hidden, idx_users_timezone;
        ALTER TABLE notifications DROP COLUMN expires_at;
        """
    )
