# Graded work: `include book/teaching/class.mk` after the definitions of BIN and STAMP.
CLASS_VENV := .venv-class
CLASS_PYTHON := $(CLASS_VENV)/bin/python
CLASS_STAMP := $(CLASS_VENV)/.installed
COURSE ?= book/teaching/course.yml
CLASS_OPTIONS = --course $(COURSE) $(if $(CLASS_PRIVATE),--private $(CLASS_PRIVATE))

.PHONY: class class-check class-samples grade formgrader test-class

# nbgrader's packages come first, the book's serve for the rest: torch stands on the disk once.
$(CLASS_STAMP): book/teaching/requirements.txt $(STAMP)
	@test -x $(CLASS_PYTHON) || $(BIN)/python -m venv $(CLASS_VENV)
	$(CLASS_PYTHON) -m pip install --quiet --requirement book/teaching/requirements.txt
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	    > "$$($(CLASS_PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth"
	@echo "$(CURDIR)" >> "$$($(CLASS_PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/book.pth"
	@touch $@

class: $(CLASS_STAMP)  ## graded work, quizzes, slides and lecture notes for a class into _build/class: WEEKS="vgg", COURSE=my.yml, CLASS_PRIVATE=folder
	@$(CLASS_PYTHON) -m book.teaching.build $(CLASS_OPTIONS) $(WEEKS)
	@$(CLASS_PYTHON) -m book.teaching.quizzes
	@$(BIN)/python -m book.teaching.slides --course $(COURSE) --notes _build/class/staff/notes $(WEEKS)
	@$(CLASS_PYTHON) -m book.teaching.syllabus --course $(COURSE)

class-check: $(CLASS_STAMP)  ## the acceptance list of graded work, for WEEKS="week0 vgg" or with ALL=1 for all
	@$(CLASS_PYTHON) -m book.teaching.check --kernel $(CLASS_OPTIONS) $(if $(ALL),,$(or $(WEEKS),week0 vgg))

grade: $(CLASS_STAMP)  ## grade a folder of submissions: make grade WEEK=vgg DIR=submissions
	@$(CLASS_PYTHON) -m book.teaching.grade $(CLASS_OPTIONS) "$(WEEK)" "$(DIR)"

class-samples: $(CLASS_STAMP)  ## sample submissions to try grading with: make class-samples WEEK=week0 DIR=try
	@$(CLASS_PYTHON) -m book.teaching.samples $(CLASS_OPTIONS) "$(WEEK)" "$(DIR)"

formgrader: $(CLASS_STAMP)  ## mark answers in words in a browser: make formgrader DIR=submissions
	cd "$(DIR)/nbgrader" && "$(abspath $(CLASS_PYTHON))" -m jupyter lab

test-class: $(CLASS_STAMP)  ## tests of graded work, in its environment; what needs none of it is part of make test
	$(CLASS_PYTHON) -m pytest tests/teaching/test_grading.py tests/teaching/test_quizzes.py tests/teaching/test_weeks.py -n 2
