//! What a queue keeps of the contract of handlers of files, and what it does not, with the reason.

use super::*;
use crate::contract::{Subject, check_but};

#[test]
fn a_queue_keeps_what_applies_to_it_of_the_contract() {
    let not_kept = NOT_FOR_QUEUES.iter().flat_map(|(_, rules)| *rules);
    let not_kept: Vec<&str> = not_kept.copied().collect();
    check_but(&not_kept, || {
        let folder = tempfile::tempdir().unwrap();
        let options = QueueOptions {
            most_jobs: 1000,
            most_jobs_of_user: 1000,
            longest_document: 1 << 20,
            printer: None,
        };
        let host = Arc::new(Host::default());
        let queue = Queue::open(folder.path(), options, Arc::new(Inline), host).unwrap();
        Subject::new(PrintHandler::new("contract", queue)).keeping(folder)
    });
}

/// What a queue does not keep of the contract of files, and why.
const NOT_FOR_QUEUES: &[(&str, &[&str])] = &[
    (
        "a job is called by its number and its title, so any number may be made by one name, and none is found by it",
        &[
            "dispositions_open_create_or_refuse",
            "a_refused_open_leaves_no_trace",
            "names_are_kept_as_given_and_found_in_any_case",
            "unusual_names_are_names",
            "opening_to_overwrite_harms_nothing",
            "the_root_is_a_directory_that_exists",
            "a_short_name_is_a_name",
            "what_is_made_anew_by_its_short_name_has_its_long_name_again",
            "a_listing_resumes_behind_any_entry",
            "patterns_select_names",
            "a_name_without_wildcards_is_looked_up",
            "little_room_still_gives_an_entry",
            "changes_meanwhile_lose_nothing_else",
            "identities_are_equal_only_for_the_same_object",
            "of_many_creators_exactly_one_creates",
        ],
    ),
    (
        "a document is not read back",
        &[
            "what_was_written_is_read",
            "reads_are_short_only_at_the_end",
            "gaps_read_as_zeros",
            "appending_goes_to_the_end_wherever_it_is",
            "writing_nothing_changes_nothing",
            "sizes_are_set_both_ways",
            "reserving_less_cuts",
            "opens_of_one_file_see_the_same_bytes",
            "flushing_succeeds",
            "overwriting_empties",
            "appends_do_not_overwrite_each_other",
        ],
    ),
    (
        "a document is bounded by the queue, and takes room when it is written only",
        &[
            "offsets_beyond_four_gibibytes_work",
            "reserving_does_not_change_the_size",
            "what_no_file_can_hold_is_refused",
        ],
    ),
    (
        "a queue has no folders",
        &[
            "files_and_directories_are_told_apart",
            "stream_types_say_what_is_wanted",
            "what_is_missing_is_told_from_a_missing_folder",
            "an_open_tells_what_the_handle_tells",
            "directories_have_no_contents",
            "dots_come_first_and_every_entry_once",
            "ten_thousand_entries_are_listed_once_each",
            "entries_tell_what_the_objects_tell",
            "a_directory_with_entries_stays",
        ],
    ),
    (
        "sparse files, extended attributes and streams are not kept, as the features say",
        &[
            "streams_have_contents_of_their_own",
            "streams_are_found_in_any_case_and_kept_as_given",
            "dispositions_are_about_the_stream",
            "a_stream_can_come_with_its_file",
            "directories_can_have_streams",
            "a_stream_belongs_to_its_file",
            "overwriting_a_stream_harms_only_the_stream",
            "deleting_a_stream_leaves_the_file",
            "a_file_can_be_deleted_through_its_stream",
            "streams_are_renamed",
            "who_may_not_write_a_file_adds_no_stream",
            "files_become_sparse_and_full_again",
            "zeroing_keeps_the_size",
            "allocated_ranges_of_an_ordinary_file_are_all_of_it",
            "allocated_ranges_of_a_sparse_file_leave_holes_out",
            "that_nothing_is_allocated_needs_no_room_to_tell",
            "malformed_ranges_are_refused",
            "extended_attributes_are_set_replaced_and_removed",
            "extended_attributes_with_bad_names_are_refused_whole",
        ],
    ),
    (
        "attributes, times and descriptors of a job are its own, and nobody changes them",
        &[
            "new_objects_have_the_attributes_asked_for",
            "overwriting_spares_hidden_files",
            "attributes_are_replaced_and_seen_everywhere",
            "the_roots_attributes_can_be_asked_for_and_not_hidden",
            "times_are_set_and_kept",
            "a_time_that_was_set_is_not_moved_through_the_same_open",
            "freezing_keeps_and_thawing_frees_the_write_time",
            "writing_moves_the_write_time_and_not_the_creation_time",
            "a_write_is_seen_in_the_write_time_at_the_next_flush",
            "what_cannot_be_deleted_is_told",
            "a_descriptor_is_kept_part_by_part",
            "a_descriptor_asked_for_at_creation_is_given",
            "nobody_makes_somebody_else_the_owner",
            "children_inherit",
            "who_may_not_add_adds_nothing",
            "who_may_not_add_moves_and_links_nothing_there",
            "the_parents_descriptor_is_told",
        ],
    ),
    (
        "jobs are neither renamed nor linked",
        &[
            "a_name_changes_and_the_object_stays",
            "a_file_moves_to_another_folder",
            "a_rename_to_itself_succeeds",
            "the_case_of_a_name_can_be_changed",
            "a_rename_meets_an_existing_name",
            "a_replaced_file_lives_on_in_its_opens",
            "directories_and_read_only_files_are_not_replaced",
            "a_directory_moves_with_what_is_open_in_it",
            "a_directory_does_not_move_into_itself",
            "a_rename_needs_the_target_folder",
            "a_link_is_another_name_of_the_same_file",
            "a_link_meets_an_existing_name",
            "directories_have_one_name",
            "a_rename_onto_another_name_of_the_file_leaves_one",
            "a_renamed_file_is_to_be_archived",
            "of_many_renames_to_one_name_all_but_one_are_refused",
        ],
    ),
    (
        "a job that is being written goes with the handle that writes it, and a number is not given twice",
        &[
            "deleting_removes_the_name_and_not_the_open",
            "asking_deletes_nothing",
            "deleting_twice_is_no_error",
            "only_the_object_itself_is_deleted",
            "a_name_can_be_used_again",
            "a_handle_that_is_dropped_deletes_nothing",
        ],
    ),
];
