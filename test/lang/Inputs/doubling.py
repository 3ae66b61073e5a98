"""Prints a model in which each function calls the one before it twice."""
print("model m; config { vocab, n : int; }")
print("weight table : real[vocab, n];")
print("fn f0(x: f32[k]) -> f32[k] = x + x;")
for i in range(1, 40):
    print(f"fn f{i}(x: f32[k]) -> f32[k] = f{i - 1}(x) + f{i - 1}(x);")
print("entry generate(token: id[vocab]) { emit logits = table @ f39(table[token]); }")
