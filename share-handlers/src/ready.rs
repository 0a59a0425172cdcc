//! Answers that are known when they are asked for.

use server::share::Answer;
use wire::NtStatus;

/// A future that is ready at its first poll.
pub(crate) fn ready<'a, T: Send + 'a>(result: Result<T, NtStatus>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}
