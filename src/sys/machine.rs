//! The processor: what its instructions make of the same arithmetic.

/// The widest vector instructions that are used, such as `x86-64 avx2 fma avx512f`.
pub(crate) fn instruction_sets() -> String {
    let mut names = vec![std::env::consts::ARCH.replace('_', "-")];
    names.extend(vector_sets().into_iter().map(str::to_owned));
    names.join(" ")
}

#[cfg(target_arch = "x86_64")]
fn vector_sets() -> Vec<&'static str> {
    [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn vector_sets() -> Vec<&'static str> {
    Vec::new()
}
