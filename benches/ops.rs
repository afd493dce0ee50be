//! The hot operations of training, one at a time: `cargo bench --bench ops [-- PART OF A NAME]`.
//!
//! They run on all cores as training does; `RAYON_NUM_THREADS=1` shows what one core takes.

use divan::Bencher;
use divan::counter::ItemsCount;
use mlx::bench::Op;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

#[divan::bench(args = Op::ALL)]
fn op(bencher: Bencher<'_, '_>, op: Op) {
    let work = op.prepare().expect("an operation is set up");
    bencher.counter(ItemsCount::new(op.items())).bench_local(work);
}
