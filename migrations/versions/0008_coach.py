"""Conversations with the coach, and what they cost."""

from zxo.kit.sql import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """An answer that is being given is a lease on its conversation; it ends, or is given up."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';

        CREATE TABLE conversations (
            id uuid PRIMARY KEY,
            user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
            title text NOT NULL,
            messages integer NOT NULL DEFAULT 0 CHECK (messages >= 0),
            started_at timestamptz NOT NULL,
            last_message_at timestamptz NOT NULL,
            lease uuid,
            leased_at timestamptz,
            reserved_on date,
            reserved_tokens integer NOT NULL DEFAULT 0 CHECK (reserved_tokens >= 0),
            is_deleted boolean NOT NULL DEFAULT false
        );
        COMMENT ON COLUMN conversations.messages IS 'questions that were answered';
        COMMENT ON COLUMN conversations.lease IS 'the answer that is being given, of which there is one at a time';
        COMMENT ON COLUMN conversations.is_deleted IS 'by its owner, while an answer is being given: the row goes with the lease';
        CREATE INDEX idx_conversations_user ON conversations (user_id, last_message_at, id);
        CREATE INDEX idx_conversations_leased ON conversations (leased_at) WHERE lease IS NOT NULL;

        CREATE TABLE ai_usage (
            user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
            usage_date date NOT NULL,
            requests integer NOT NULL DEFAULT 0 CHECK (requests >= 0),
            tokens integer NOT NULL DEFAULT 0 CHECK (tokens >= 0),
            PRIMARY KEY (user_id, usage_date)
        );
        COMMENT ON COLUMN ai_usage.tokens IS 'used, and reserved for answers that are being given';

        ALTER TABLE ai_conversations
            ADD COLUMN source text NOT NULL DEFAULT 'model' CHECK (source IN ('model', 'builtin')),
            ADD COLUMN is_complete boolean NOT NULL DEFAULT true;
        COMMENT ON COLUMN ai_conversations.is_complete IS 'false: it broke off, or nobody listened any more';
        """
    )


def downgrade() -> None:
    """Take them away again; what was said stays."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        ALTER TABLE ai_conversations DROP COLUMN source, DROP COLUMN is_complete;
        DROP TABLE ai_usage, conversations;
        """
    )
