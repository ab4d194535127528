"""Memberships, and the codes that grant them."""

from zxo.kit.sql import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """What a batch was made with is kept once; a usage says of which type the code was."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';

        CREATE TABLE redeem_batches (
            id uuid PRIMARY KEY,
            code_type text NOT NULL CHECK (code_type IN ('vip', 'ai', 'makeup_card')),
            duration_days integer CHECK (duration_days > 0),
            makeup_card_count integer CHECK (makeup_card_count > 0),
            max_uses integer NOT NULL CHECK (max_uses = -1 OR max_uses > 0),
            valid_from timestamptz,
            valid_until timestamptz,
            codes integer NOT NULL CHECK (codes > 0),
            created_by bigint,
            created_at timestamptz NOT NULL
        );
        COMMENT ON COLUMN redeem_batches.codes IS 'how many codes were made';
        COMMENT ON COLUMN redeem_batches.created_by IS 'the operator; null: the command line';
        CREATE INDEX idx_redeem_batches_created ON redeem_batches (created_at DESC, id DESC);

        -- Nothing has written codes so far: no batch is lost.
        DROP INDEX idx_redeem_batch;
        ALTER TABLE redeem_codes
            ALTER COLUMN batch_id TYPE uuid USING batch_id::uuid,
            ADD FOREIGN KEY (batch_id) REFERENCES redeem_batches;
        CREATE INDEX idx_redeem_batch ON redeem_codes (batch_id, id);

        ALTER TABLE redeem_code_usages ADD COLUMN code_type text
            CHECK (code_type IN ('free', 'vip', 'ai', 'makeup_card'));
        UPDATE redeem_code_usages SET code_type = redeem_codes.code_type
            FROM redeem_codes WHERE redeem_codes.id = redeem_code_id;
        UPDATE redeem_code_usages SET code_type = member_type_after WHERE code_type IS NULL;
        ALTER TABLE redeem_code_usages ALTER COLUMN code_type SET NOT NULL;
        COMMENT ON COLUMN redeem_code_usages.redeem_code_id IS 'null: a built-in code';
        CREATE INDEX idx_redeem_usage_user ON redeem_code_usages (user_id, id);

        -- In the order in which memberships end, over all tiers.
        CREATE INDEX idx_users_member_expiry ON users (member_expiry_at, id)
            WHERE member_type <> 'free';
        """
    )


def downgrade() -> None:
    """Take it away again; built-in codes lose their type."""
    run_script(
        """
        SET LOCAL lock_timeout = '3s';
        DROP INDEX idx_users_member_expiry, idx_redeem_usage_user, idx_redeem_batch;
        ALTER TABLE redeem_code_usages DROP COLUMN code_type;
        COMMENT ON COLUMN redeem_code_usages.redeem_code_id IS NULL;
        ALTER TABLE redeem_codes DROP CONSTRAINT redeem_codes_batch_id_fkey,
            ALTER COLUMN batch_id TYPE text;
        CREATE INDEX idx_redeem_batch ON redeem_codes (batch_id);
        DROP TABLE redeem_batches;
        """
    )
