//! Linear algebra of small matrices. What is large is left to matrix products.

use ndarray::{Array1, Array2, Axis};

/// Sweeps of the eigenvalue iteration: it converges quadratically, after 6 to 8 of them.
const SWEEPS: usize = 30;

/// Makes the columns orthonormal: Gram & Schmidt, twice (Giraud et al. 2005: twice is enough). A column that depends on
/// those before becomes 0.
pub(super) fn orthonormalize(columns: &mut Array2<f64>) {
    let mut rows = columns.t().as_standard_layout().into_owned();
    for i in 0..rows.nrows() {
        let (before, mut rest) = rows.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        let length = row.dot(&row).sqrt();
        for _ in 0..2 {
            for other in before.outer_iter() {
                let part = other.dot(&row);
                row.scaled_add(-part, &other);
            }
        }
        let left = row.dot(&row).sqrt();
        let scale = if left > 1e-12 * length { 1.0 / left } else { 0.0 };
        row.mapv_inplace(|x| x * scale);
    }
    columns.assign(&rows.t());
}

/// Eigenvalues of a symmetric matrix, the largest first, and its eigenvectors as columns in the same order: by cyclic
/// Jacobi rotations (Golub & Van Loan 2013, section 8.5).
pub(super) fn eigen(mut matrix: Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    let n = matrix.nrows();
    let mut vectors = Array2::eye(n);
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (a, b, c) = (matrix[[p, p]], matrix[[p, q]], matrix[[q, q]]);
                if b.abs() <= f64::EPSILON * (a.abs() * c.abs()).sqrt() || b == 0.0 {
                    continue;
                }
                rotated = true;
                let tau = (c - a) / (2.0 * b);
                let tan = tau.signum() / (tau.abs() + tau.hypot(1.0));
                let cos = 1.0 / tan.hypot(1.0);
                let sin = tan * cos;
                for k in 0..n {
                    let (x, y) = (matrix[[k, p]], matrix[[k, q]]);
                    (matrix[[k, p]], matrix[[k, q]]) = (cos * x - sin * y, sin * x + cos * y);
                }
                for k in 0..n {
                    let (x, y) = (matrix[[p, k]], matrix[[q, k]]);
                    (matrix[[p, k]], matrix[[q, k]]) = (cos * x - sin * y, sin * x + cos * y);
                    let (x, y) = (vectors[[k, p]], vectors[[k, q]]);
                    (vectors[[k, p]], vectors[[k, q]]) = (cos * x - sin * y, sin * x + cos * y);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let values = matrix.diag().to_owned();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    (values.select(Axis(0), &order), vectors.select(Axis(1), &order))
}

/// Solves a symmetric, positive definite system by Cholesky's decomposition. Where a pivot is not positive, its unknown
/// is 0.
pub(super) fn cholesky_solve(mut matrix: Array2<f64>, mut right: Array1<f64>) -> Array1<f64> {
    let n = right.len();
    for j in 0..n {
        let pivot = matrix[[j, j]] - (0..j).map(|k| matrix[[j, k]].powi(2)).sum::<f64>();
        // An infinite diagonal takes the unknown out: every quotient by it is 0.
        matrix[[j, j]] = if pivot > 0.0 { pivot.sqrt() } else { f64::INFINITY };
        for i in j + 1..n {
            let rest = matrix[[i, j]] - (0..j).map(|k| matrix[[i, k]] * matrix[[j, k]]).sum::<f64>();
            matrix[[i, j]] = rest / matrix[[j, j]];
        }
    }
    for i in 0..n {
        let known = (0..i).map(|k| matrix[[i, k]] * right[k]).sum::<f64>();
        right[i] = (right[i] - known) / matrix[[i, i]];
    }
    for i in (0..n).rev() {
        let known = (i + 1..n).map(|k| matrix[[k, i]] * right[k]).sum::<f64>();
        right[i] = (right[i] - known) / matrix[[i, i]];
    }
    right
}
