"""Say how SQLite reports a broken constraint: by the columns of a unique index, and not by its name."""

from __future__ import annotations

SAID_ANOTHER_WAY_BY_SQLITE = {
    "scope_change_one_at_a_time": "UNIQUE constraint failed: keys_scopechange.key_id",
    "key_two_of_a_lineage": "UNIQUE constraint failed: index 'key_two_of_a_lineage'",
    "rotation_once_at_a_time": "UNIQUE constraint failed: keys_rotation.old_id",
    "key_name_is_unique_while_in_use": "UNIQUE constraint failed: keys_apikey.name_order",
    "key_registered_once": "UNIQUE constraint failed: keys_apikey.owner_id, keys_apikey.name_order",
    "key_fingerprint_once": "UNIQUE constraint failed: keys_apikey.fingerprint",
    "alert_once_while_it_lasts": "UNIQUE constraint failed: keys_alert.kind, keys_alert.subject",
    "dropped_value_once": "UNIQUE constraint failed: keys_droppedvalue.kind, keys_droppedvalue.attribute",
    "reminder_once": "UNIQUE constraint failed: keys_reminder.key_id, keys_reminder.kind",
    "saved_view_private_name_once": "UNIQUE constraint failed: keys_savedfilter.user_id, keys_savedfilter.page",
    "saved_view_shared_name_once": "UNIQUE constraint failed: keys_savedfilter.page, keys_savedfilter.name",
    "exception_asked_once": "UNIQUE constraint failed: keys_policyexception.key_id, keys_policyexception.rule",
    "policy_one_proposal": "UNIQUE constraint failed: keys_policyversion.state",
    "finding_once_for_each_rule": "UNIQUE constraint failed: keys_finding.key_id, keys_finding.rule",
    "verdict_once_for_each_person": "UNIQUE constraint failed: keys_verdict.request_id, keys_verdict.approver_id",
    "review_item_once": "UNIQUE constraint failed: keys_reviewitem.key_id, keys_reviewitem.campaign_id",
    "key_tag_once": "UNIQUE constraint failed: keys_keytag.key_id, keys_keytag.tag",
    "selected_key_once": "UNIQUE constraint failed: keys_selectedkey.key_id, keys_selectedkey.selection_id",
    "selected_key_worked_on_once": "UNIQUE constraint failed: keys_selectedkey.key_id",
    "key_scope_once": "UNIQUE constraint failed: keys_keyscope.key_id, keys_keyscope.scope",
    "sso_link_of_one_person": "UNIQUE constraint failed: keys_ssolink.issuer, keys_ssolink.subject",
    "sso_link_one_per_provider": "UNIQUE constraint failed: keys_ssolink.user_id, keys_ssolink.issuer",
    "checkpoint_size_once": "UNIQUE constraint failed: keys_checkpoint.size",
}
