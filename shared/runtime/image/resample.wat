;; Pillow's 8-bit resampling (src/libImaging/Resample.c) of pixels of three bytes, line by line: sums of
;; bytes times weights of 22 binary places, rounded and cut to 0 ... 255. The sums are the same integers.
;; Every target has $count weights; reading goes up to $count pixels, or lines, and 16 bytes beyond the source.
(module
  (import "env" "memory" (memory 1))

  ;; Across: each of $lines of $stride bytes becomes $pixels pixels, of which $firsts has the first source byte.
  ;; Four taps at a time: $count is a multiple of 4.
  (func (export "across")
    (param $source i32) (param $stride i32) (param $lines i32) (param $target i32) (param $pixels i32)
    (param $firsts i32) (param $weights i32) (param $count i32)
    (local $first i32) (local $last i32) (local $w i32) (local $end i32) (local $at i32)
    (local $x v128) (local $sum v128)
    (local.set $last (i32.add (local.get $firsts) (i32.shl (local.get $pixels) (i32.const 2))))
    (block $done
      (loop $line
        (br_if $done (i32.eqz (local.get $lines)))
        (local.set $first (local.get $firsts))
        (local.set $w (local.get $weights))
        (loop $pixel
          (local.set $at (i32.add (local.get $source) (i32.load (local.get $first))))
          (local.set $end (i32.add (local.get $w) (i32.shl (local.get $count) (i32.const 2))))
          (local.set $sum (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
          (loop $taps
            (local.set $x (v128.load (local.get $at)))
            (local.set $sum
              (i32x4.add
                (local.get $sum)
                (i32x4.add
                  (i32x4.add
                    (i32x4.mul
                      (i8x16.swizzle (local.get $x)
                        (v128.const i8x16 0 -1 -1 -1 1 -1 -1 -1 2 -1 -1 -1 -1 -1 -1 -1))
                      (v128.load32_splat (local.get $w)))
                    (i32x4.mul
                      (i8x16.swizzle (local.get $x)
                        (v128.const i8x16 3 -1 -1 -1 4 -1 -1 -1 5 -1 -1 -1 -1 -1 -1 -1))
                      (v128.load32_splat offset=4 (local.get $w))))
                  (i32x4.add
                    (i32x4.mul
                      (i8x16.swizzle (local.get $x)
                        (v128.const i8x16 6 -1 -1 -1 7 -1 -1 -1 8 -1 -1 -1 -1 -1 -1 -1))
                      (v128.load32_splat offset=8 (local.get $w)))
                    (i32x4.mul
                      (i8x16.swizzle (local.get $x)
                        (v128.const i8x16 9 -1 -1 -1 10 -1 -1 -1 11 -1 -1 -1 -1 -1 -1 -1))
                      (v128.load32_splat offset=12 (local.get $w)))))))
            (local.set $at (i32.add (local.get $at) (i32.const 12)))
            (local.set $w (i32.add (local.get $w) (i32.const 16)))
            (br_if $taps (i32.lt_u (local.get $w) (local.get $end))))
          (local.set $sum (i32x4.shr_s (local.get $sum) (i32.const 22)))
          (local.set $sum (i16x8.narrow_i32x4_s (local.get $sum) (local.get $sum)))
          ;; The fourth byte is written over by the next pixel.
          (v128.store32_lane 0 (local.get $target)
            (i8x16.narrow_i16x8_u (local.get $sum) (local.get $sum)))
          (local.set $target (i32.add (local.get $target) (i32.const 3)))
          (local.set $first (i32.add (local.get $first) (i32.const 4)))
          (br_if $pixel (i32.lt_u (local.get $first) (local.get $last))))
        (local.set $source (i32.add (local.get $source) (local.get $stride)))
        (local.set $lines (i32.sub (local.get $lines) (i32.const 1)))
        (br $line))))

  ;; Down: lines of $stride bytes become $lines others, of which $firsts has the first byte of the first source line.
  (func (export "down")
    (param $source i32) (param $stride i32) (param $lines i32) (param $target i32)
    (param $firsts i32) (param $weights i32) (param $count i32)
    (local $line i32) (local $x i32) (local $at i32) (local $w i32) (local $end i32)
    (local $bytes v128) (local $weight v128) (local $half v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $lines)))
        (local.set $line (i32.add (local.get $source) (i32.load (local.get $firsts))))
        (local.set $end (i32.add (local.get $weights) (i32.shl (local.get $count) (i32.const 2))))
        (local.set $x (i32.const 0))
        (loop $piece
          (local.set $at (i32.add (local.get $line) (local.get $x)))
          (local.set $w (local.get $weights))
          (local.set $a (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
          (local.set $b (local.get $a))
          (local.set $c (local.get $a))
          (local.set $d (local.get $a))
          (loop $taps
            (local.set $bytes (v128.load (local.get $at)))
            (local.set $weight (v128.load32_splat (local.get $w)))
            (local.set $half (i16x8.extend_low_i8x16_u (local.get $bytes)))
            (local.set $a
              (i32x4.add (local.get $a)
                (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $half)) (local.get $weight))))
            (local.set $b
              (i32x4.add (local.get $b)
                (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $half)) (local.get $weight))))
            (local.set $half (i16x8.extend_high_i8x16_u (local.get $bytes)))
            (local.set $c
              (i32x4.add (local.get $c)
                (i32x4.mul (i32x4.extend_low_i16x8_u (local.get $half)) (local.get $weight))))
            (local.set $d
              (i32x4.add (local.get $d)
                (i32x4.mul (i32x4.extend_high_i16x8_u (local.get $half)) (local.get $weight))))
            (local.set $at (i32.add (local.get $at) (local.get $stride)))
            (local.set $w (i32.add (local.get $w) (i32.const 4)))
            (br_if $taps (i32.lt_u (local.get $w) (local.get $end))))
          ;; Bytes beyond the line are written over by the next one.
          (v128.store (i32.add (local.get $target) (local.get $x))
            (i8x16.narrow_i16x8_u
              (i16x8.narrow_i32x4_s
                (i32x4.shr_s (local.get $a) (i32.const 22)) (i32x4.shr_s (local.get $b) (i32.const 22)))
              (i16x8.narrow_i32x4_s
                (i32x4.shr_s (local.get $c) (i32.const 22)) (i32x4.shr_s (local.get $d) (i32.const 22)))))
          (local.set $x (i32.add (local.get $x) (i32.const 16)))
          (br_if $piece (i32.lt_u (local.get $x) (local.get $stride))))
        (local.set $target (i32.add (local.get $target) (local.get $stride)))
        (local.set $weights (local.get $end))
        (local.set $firsts (i32.add (local.get $firsts) (i32.const 4)))
        (local.set $lines (i32.sub (local.get $lines) (i32.const 1)))
        (br $next)))))
