//! What every backend owes: one list of behaviours with names, run over each backend in one line.
//!
//! A behaviour gets an empty store and panics when the store breaks its promise. It uses nothing but [`Store`], so
//! that a backend written elsewhere can be held to the same list (feature `test-util`). What only one backend can
//! show (files, processes, plans of statements) is tested beside that backend.
#![cfg_attr(not(test), expect(clippy::unwrap_used, clippy::expect_used, reason = "a behaviour fails by panicking"))]

mod bodies;
mod branches;
mod library;
mod lists;
mod pages;
mod places;
mod queue;
mod recount;
pub(crate) mod scene;
pub(super) mod search;
pub(super) mod spending;
mod stream_list;
mod streams;
mod summaries;
mod turns;
mod usage;
pub(super) mod walks;
mod whole;
mod writes;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt as _;

use super::Store;

/// One behaviour, as a test over an empty store.
pub type Behaviour = fn(Arc<dyn Store>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! behaviours {
    ($($room:ident { $($name:ident),+ $(,)? })+) => {
        /// Every behaviour by its name.
        pub const BEHAVIOURS: &[(&str, Behaviour)] =
            &[$($((stringify!($name), |store| Box::pin($room::$name(store)))),+),+];
    };
}

behaviours! {
    writes {
        append_then_page_returns_same_order,
        append_with_stale_head_is_conflict,
        append_same_id_twice_is_conflict,
        a_batch_on_another_version_is_conflict,
        a_receipt_tells_the_versions_and_whether_budgets_are_set,
        a_failed_precondition_changes_nothing,
        a_failed_op_takes_back_the_ops_before_it,
        a_failed_batch_leaves_its_neighbours_alone,
        two_writers_one_wins,
        putting_a_conversation_twice_changes_nothing,
        updating_a_conversation_changes_what_is_named,
        another_owners_ids_are_not_found_by_any_read,
        another_owners_ids_are_not_found_by_any_op,
        unknown_ids_are_not_found,
        delete_conversation_removes_everything_in_it,
        equal_bytes_of_two_conversations_survive_the_deletion_of_one,
        counts_on_the_row_equal_a_recount_after_random_ops,
        counters_never_go_negative,
        close_then_use_is_closed_error,
        a_dropped_apply_is_applied_whole_or_not_at_all,
    }
    pages {
        page_of_empty_conversation_reached_both_ends,
        page_forward_and_backward_meet_on_every_branch,
        page_survives_inserts_between_pages,
        a_page_has_exactly_its_limit_unless_an_end_is_reached,
        a_page_after_a_message_off_the_branch_is_invalid,
        a_page_before_a_message_off_the_branch_follows_that_branch,
        a_page_from_another_conversation_is_invalid,
        siblings_are_numbered_and_counted,
        a_list_shows_the_latest_activity_first,
        a_list_has_no_gaps_under_concurrent_activity,
        a_list_shows_only_the_owners_conversations,
    }
    places {
        a_page_stands_around_a_message_or_at_a_position,
        a_page_of_turns_holds_whole_turns,
        a_page_holds_as_much_of_each_message_as_is_asked_for,
        an_unchanged_conversation_is_not_read,
        opening_gives_row_and_page_of_one_moment,
        random_pages_equal_those_of_a_naive_model,
    }
    lists {
        a_conversation_is_pinned_archived_and_tagged,
        a_list_puts_the_pinned_first_and_leaves_the_archived_out,
        a_list_is_read_on_by_whatever_it_is_filtered,
        an_unchanged_list_is_not_read,
        a_conversation_whose_time_is_up_is_not_there,
        what_has_expired_is_swept_away,
        what_has_expired_is_not_found_by_a_search,
        a_conversation_makes_room_when_its_time_is_up,
        random_lists_equal_those_of_a_naive_model,
        preferences_are_an_owners_own,
    }
    branches {
        a_switch_shows_a_branch_as_it_was_left,
        a_switch_keeps_the_conversations_place_in_the_list,
        a_fork_hides_what_follows_and_keeps_it,
        a_late_answer_leaves_the_branch_that_is_shown,
        siblings_are_read_in_pages,
        branches_are_listed_the_newest_first,
        a_page_goes_up_to_any_message,
        a_wiped_message_keeps_its_place_and_nothing_else,
        messages_are_removed_in_batches,
        a_removal_takes_turns_along_and_spares_what_is_under_way,
        a_turn_takes_a_message_that_belonged_to_none,
        a_message_may_say_when_it_was_said,
    }
    walks {
        random_walks_equal_those_of_a_naive_model,
    }
    turns {
        client_id_twice_is_conflict_and_found_again,
        one_client_id_may_stand_in_two_conversations,
        an_epoch_admits_one_writer,
        a_turn_keeps_what_it_is_told_and_forgets_what_is_cleared,
        a_reply_is_named_once_it_is_there,
        a_reply_stands_below_its_own_question,
        a_streamed_reply_is_counted_once,
        a_draft_ends_with_its_message,
        a_draft_renews_the_lease_and_refuses_numbers_that_do_not_grow,
        recovery_folds_drafts_and_is_idempotent,
        recovery_leaves_living_turns_alone,
        recovery_ends_turns_that_never_streamed,
        recovery_keeps_what_can_be_read_of_a_damaged_draft,
        a_late_writer_is_refused_after_recovery,
    }
    queue {
        what_is_due_is_the_first_of_each_conversation_the_earliest_first,
        good_news_make_due_what_waits_for_the_model_and_not_for_the_provider,
        a_queue_shows_its_owner_everything_first_in_first,
        one_of_many_claims_a_waiting_turn,
        recovery_sends_back_what_is_queued_and_has_no_words_yet,
        a_clock_that_went_back_makes_nobody_wait_longer,
        an_answer_hides_nothing_that_was_said_since,
        a_message_that_is_taken_back_stays_and_says_so,
    }
    bodies {
        every_field_of_a_message_comes_back,
        unicode_and_empty_text_round_trip,
        large_messages_round_trip,
        content_over_the_limit_is_refused,
        attachments_round_trip_and_equal_bytes_are_shared,
        sql_metacharacters_stay_text_in_every_field,
        a_preview_is_the_beginning_on_one_line,
    }
    search {
        a_search_finds_every_message_that_was_acknowledged,
        the_newest_are_found_first_page_by_page,
        the_best_are_found_first_page_by_page,
        a_search_never_shows_another_owners_messages,
        a_hit_says_whether_its_branch_is_shown,
        what_is_deleted_is_not_found,
        what_has_ended_shortens_no_page,
        what_tools_answered_and_what_was_thought_is_not_found,
        long_messages_are_found_by_their_first_mebibyte,
        words_of_many_scripts_are_found,
        what_is_found_is_what_reading_everything_finds,
        a_query_too_long_is_refused,
        a_message_of_any_other_status_is_found,
    }
    whole {
        a_conversation_read_whole_stands_elsewhere_as_it_stood,
        what_is_restored_stands_in_its_own_time,
        what_is_known_of_a_conversation_is_its_owners_alone,
    }
    streams {
        events_are_read_back_in_their_order_from_any_number,
        a_page_of_events_is_bounded_in_number_and_in_bytes,
        an_append_behind_another_event_is_conflict_and_tells_the_version,
        of_many_who_append_at_once_one_is_first,
        the_same_append_twice_is_done_once,
        what_cannot_be_events_is_refused_and_nothing_is_kept,
        a_stream_is_its_owners_own,
        the_newest_snapshot_is_kept,
        an_event_its_snapshot_and_its_expiry_are_kept_together,
        a_stream_whose_time_is_up_is_not_there_and_makes_room,
        a_stream_is_swept_with_its_events_and_shared_bytes_stay,
        who_subscribes_hears_every_event_once_and_without_looking,
        who_waits_for_an_event_hears_that_the_store_closes,
        random_streams_equal_those_of_a_naive_model,
    }
    stream_list {
        streams_are_listed_the_newest_first_each_with_its_snapshot,
        a_list_of_streams_holds_what_is_asked_for_and_200_at_most,
        a_list_of_streams_shows_an_owner_what_is_theirs_and_there,
        a_list_of_streams_has_no_gap_while_new_ones_are_made,
    }
    library {
        a_value_is_put_read_and_deleted,
        each_put_is_a_version_and_the_oldest_go,
        a_put_on_another_version_is_conflict_and_tells_which_is_there,
        the_same_value_again_changes_nothing,
        versions_are_never_given_twice,
        names_are_listed_in_order_page_by_page,
        versions_are_listed_the_newest_first,
        a_library_is_its_owners_own_and_the_application_has_one,
        what_cannot_be_in_a_library_is_refused_and_changes_nothing,
        every_change_is_told_by_number_until_it_is_too_long_ago,
        changes_are_told_of_preferences_too,
        random_libraries_equal_those_of_a_naive_model,
    }
    summaries {
        the_newest_summary_of_a_branch_is_found,
        a_summary_is_its_owners_own,
        words_that_are_deleted_live_on_in_no_summary,
        a_summary_of_what_has_changed_meanwhile_is_refused,
        a_summary_is_kept_once,
        the_oldest_summaries_make_room,
        random_summaries_equal_those_of_a_naive_model,
    }
    usage {
        usage_is_summed_by_model_day_conversation_and_user,
        pages_of_usage_hold_every_row_once,
        usage_survives_the_deletion_of_its_conversation,
    }
    recount {
        budgets_stand_where_a_recount_from_the_beginning_says,
    }
    spending {
        a_budget_is_set_replaced_and_taken_away,
        a_budget_that_cannot_be_kept_is_refused,
        many_who_reserve_at_once_are_admitted_exactly_as_often_as_the_budget_allows,
        what_a_request_has_cost_takes_the_place_of_its_reservation,
        a_refusal_says_what_is_left_and_when_it_renews,
        every_budget_that_holds_is_asked,
        settling_twice_counts_once,
        a_budget_set_at_noon_counts_the_morning,
        a_request_counts_for_the_moment_at_which_it_was_reserved,
        each_window_begins_with_nothing_spent,
        an_alert_is_told_once_for_each_share_and_window,
        an_unknown_price_is_no_price_of_nothing,
        what_is_not_known_is_settled_as_it_was_reserved,
        hostile_amounts_never_wrap,
        recovery_settles_at_its_worst_what_the_dead_had_reserved,
        budgets_that_come_with_a_request_hold_besides_those_that_are_set,
        what_the_application_spends_itself_is_no_users,
    }
}

/// Runs every behaviour, each over a store of its own. `make` gets a number that is new for each store.
///
/// # Panics
/// When a behaviour fails; the message names all that failed. Each one's own message stands above it.
pub async fn run(make: impl AsyncFn(usize) -> Arc<dyn Store>) {
    let mut failed = Vec::new();
    for (number, (name, behaviour)) in BEHAVIOURS.iter().enumerate() {
        let store = make(number).await;
        let kept = AssertUnwindSafe(behaviour(Arc::clone(&store))).catch_unwind().await.is_ok();
        let closed = store.close().await.is_ok();
        if !kept || !closed {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "the store breaks the contract: {}", failed.join(", "));
}
