"""Wrong answers that students give in week 0, and the points that each must lose."""

from book.teaching.weeks import Mistake

MISTAKES = [
    Mistake("the bytes are not divided by 255", cell="to_batch", loses=1, swap={".float() / 255": ".float()"}),
    Mistake("the axis of channels comes last", cell="to_batch", loses=2, swap={"unsqueeze(1)": "unsqueeze(-1)"}),
    Mistake("squared distances", cell="distances", loses=3, swap={".sqrt()": ""}),
    Mistake(
        "distances of each point to all others together", cell="distances", loses=3, swap={"sum(dim=2)": "sum(dim=1)"}
    ),
    Mistake(
        "the test data get their own statistics",
        cell="standardise",
        loses=2,
        code="""
def standardise(train, test):
    return tuple((X - X.mean(dim=0)) / X.std(dim=0, unbiased=False).clamp(min=1e-8) for X in (train, test))
""",
    ),
    Mistake("one mean for all columns", cell="standardise", loses=2, swap={"train.mean(dim=0)": "train.mean()"}),
    Mistake(
        "a column that never varies is divided by zero",
        cell="standardise",
        loses=2,
        swap={"    std = torch.where(std > 0, std, torch.ones_like(std))\n": ""},
    ),
    Mistake("divides by N − 1", cell="standardise", loses=3, swap={"unbiased=False": "unbiased=True"}),
    Mistake(
        "only a plain tensor is moved",
        cell="move",
        loses=2,
        code="""
def move(batch, net):
    return batch.to(next(net.parameters()).device)
""",
    ),
    Mistake("a tuple comes back as a list", cell="move", loses=2, swap={"type(batch)(": "list("}),
    Mistake(
        "overflows for large logits",
        cell="cross_entropy",
        loses=2,
        swap={"max(dim=1, keepdim=True).values": "detach() * 0"},
    ),
    Mistake("the sum over the examples", cell="cross_entropy", loses=3, swap={".mean()": ".sum()"}),
    Mistake(
        "calls PyTorch's own loss",
        cell="cross_entropy",
        loses=2,
        code="""
def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels)
""",
    ),
    Mistake(
        "a mean of the batches' accuracies",
        cell="accuracy",
        loses=2,
        swap={
            "(net(X).argmax(dim=1) == y).sum().item()": "(net(X).argmax(dim=1) == y).float().mean().item()",
            "num_examples += len(y)": "num_examples += 1",
        },
    ),
    Mistake(
        "leaves the network in evaluation mode", cell="accuracy", loses=2, swap={"    net.train(was_training)\n": ""}
    ),
    Mistake("evaluates in training mode", cell="accuracy", loses=2, swap={"    net.eval()\n": ""}),
    Mistake("never clears the gradients", cell="train", loses=3, swap={"            optimizer.zero_grad()\n": ""}),
    Mistake(
        "clears the gradients between backward and step",
        cell="train",
        loses=5,
        swap={
            "            optimizer.zero_grad()\n": "",
            "            loss.backward()\n": "            loss.backward()\n            optimizer.zero_grad()\n",
        },
    ),
    Mistake(
        "the losses are means over batches",
        cell="train",
        loses=1,
        swap={"loss.item() * len(y)": "loss.item()", "num_examples += len(y)": "num_examples += 1"},
    ),
    Mistake("does not switch to training mode", cell="train", loses=1, swap={"    net.train()\n": ""}),
    Mistake("Adam instead of plain gradient descent", cell="train", loses=3, swap={"optim.SGD": "optim.Adam"}),
    Mistake("the last, smaller batch is dropped", cell="my_steps", loses=2, swap={"(full + (rest > 0))": "full"}),
    Mistake("the factor 2 of the square is forgotten", cell="my_gradient", loses=2, swap={"eta * 2 *": "eta *"}),
    Mistake("a step uphill", cell="my_gradient", loses=2, swap={"w - eta": "w + eta"}),
]
