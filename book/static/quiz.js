"use strict";

// "Check yourself" answers at a click. In the page each question is text: a bold line, four answers, and a fold with a
// reason for each. Here the answers become radio buttons; the fold stays for paper and for readers without scripts.
// Arrow keys choose radio buttons on their way, so with the keyboard an answer counts at Enter or Space.
addEventListener("DOMContentLoaded", () => {
  const make = (name, properties, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };
  const words = (item) => (item.querySelector("p") ?? item).cloneNode(true).childNodes;
  const folds = [...document.querySelectorAll("details.answers")];
  const chinese = document.documentElement.lang.startsWith("zh");
  const hint = make("p", { id: "how-to-answer" }, chinese
    ? "点击一个答案，或用方向键选择后按 Enter。答错了可以再试。"
    : "Tap or click an answer, or use the arrow keys and Enter. After a wrong answer, try again.");
  const score = make("p", { className: "score", role: "status" });
  let moving = false;
  addEventListener("keydown", (event) => (moving = event.key.startsWith("Arrow")));
  for (const end of ["keyup", "pointerdown"]) addEventListener(end, () => (moving = false));

  const questions = folds.map((fold, number) => {
    const list = fold.previousElementSibling;
    const text = list.previousElementSibling;
    const reasons = [...fold.querySelectorAll("li")];
    const said = make("p", { className: "said", role: "status" });
    // a page that is loaded again starts anew
    const inputs = reasons.map(() => make("input", { type: "radio", name: `answer-${number}`, autocomplete: "off" }));
    const question = make("fieldset", { className: "question" }, make("legend", { id: text.id }, ...text.childNodes),
      ...inputs.map((input, k) => make("label", {}, input, make("span", {}, ...words(list.children[k])))), said);
    question.setAttribute("aria-describedby", hint.id);
    const answer = (input) => {
      if (moving || !inputs.includes(input)) return;
      const reason = reasons[inputs.indexOf(input)];
      input.checked = true;
      said.replaceChildren(...words(reason));
      question.dataset.now = /\) (?:Right: |正确：)/.test(reason.textContent) ? "right" : "wrong";
      question.dataset.first ??= question.dataset.now;
      if (questions.some((each) => !each.dataset.first)) return;
      const right = questions.filter((each) => each.dataset.first === "right").length;
      score.textContent = chinese ? `${questions.length} 题中，第一次就答对 ${right} 题。`
        : `Right at the first try: ${right} of ${questions.length}.`;
    };
    question.addEventListener("click", (event) => answer(event.target));
    question.addEventListener("keydown", (event) => /^(Enter| )$/.test(event.key) && answer(event.target));
    list.replaceWith(question);
    text.remove();
    return question;
  });
  questions[0].before(hint);
  folds.at(-1).after(score);
});
