"""many_relus.py N: a matmul behind N relus, each of the one before it with its sign turned."""
import sys

print("module m {context = 16, vocab = 8, max_rows = 4}")
print("weight @w : trit[8, 8] scale matrix")
print("func @f(%rows: rows[T], %x.0: f32[T, 8]) {")
for i in range(int(sys.argv[1])):
    print(f"  %n.{i} = neg %x.{i} : f32[T, 8]\n  %x.{i + 1} = relu %n.{i} : f32[T, 8]")
print(f"  %q, %r = quant %x.{i + 1} : i8[T, 8], f32[T]\n  %a = matmul %q, @w : i32[T, 8]")
print("  %y = dequant %a, %r, @w : f32[T, 8]\n  ret %y\n}")
