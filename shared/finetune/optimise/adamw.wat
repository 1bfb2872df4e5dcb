;; AdamW (Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101, algorithm 2), four weights at a time.
;; All addresses and $bytes are multiples of 16. Per weight:
;;   g = scale g          m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g g
;;   w = keep w - rate m / (root sqrt(v) + epsilon)
;; where keep = 1 - lr decay, rate = lr / (1 - b1^t) and root = 1 / sqrt(1 - b2^t).
(module
  (import "env" "memory" (memory 1))
  (func (export "step")
    (param $w i32) (param $m i32) (param $v i32) (param $g i32) (param $bytes i32)
    (param $scale f32) (param $keep f32) (param $rate f32) (param $root f32) (param $epsilon f32)
    (param $b1 f32) (param $rest1 f32) (param $b2 f32) (param $rest2 f32)
    (local $end i32) (local $x v128) (local $y v128) (local $grad v128)
    (local.set $end (i32.add (local.get $w) (local.get $bytes)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $w) (local.get $end)))
        (local.set $grad
          (f32x4.mul (v128.load (local.get $g)) (f32x4.splat (local.get $scale))))
        (local.set $x
          (f32x4.add
            (f32x4.mul (v128.load (local.get $m)) (f32x4.splat (local.get $b1)))
            (f32x4.mul (local.get $grad) (f32x4.splat (local.get $rest1)))))
        (v128.store (local.get $m) (local.get $x))
        (local.set $y
          (f32x4.add
            (f32x4.mul (v128.load (local.get $v)) (f32x4.splat (local.get $b2)))
            (f32x4.mul
              (f32x4.mul (local.get $grad) (local.get $grad))
              (f32x4.splat (local.get $rest2)))))
        (v128.store (local.get $v) (local.get $y))
        (v128.store (local.get $w)
          (f32x4.sub
            (f32x4.mul (v128.load (local.get $w)) (f32x4.splat (local.get $keep)))
            (f32x4.div
              (f32x4.mul (local.get $x) (f32x4.splat (local.get $rate)))
              (f32x4.add
                (f32x4.mul (f32x4.sqrt (local.get $y)) (f32x4.splat (local.get $root)))
                (f32x4.splat (local.get $epsilon))))))
        (local.set $w (i32.add (local.get $w) (i32.const 16)))
        (local.set $m (i32.add (local.get $m) (i32.const 16)))
        (local.set $v (i32.add (local.get $v) (i32.const 16)))
        (local.set $g (i32.add (local.get $g) (i32.const 16)))
        (br $next)))))
