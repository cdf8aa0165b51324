from vecloom.text import repeats


def test_what_comes_again_and_again_is_a_word():
    assert repeats(["东京塔", "看东京塔", "去东京塔", "京都"]) == {"东京塔": 3}


def test_a_part_that_stands_alone_as_often_is_a_word_of_its_own():
    assert set(repeats(["机器学习"] * 3 + ["学习好", "爱学习", "不学习", "学习吗"])) == {"机器学习", "学习"}


def test_marks_stay_with_their_letters():
    assert set(repeats(["น้ำตก", "ที่น้ำตก", "น้ำตกสูง"])) == {"น้ำตก"}


def test_what_is_there_once_is_none():
    assert repeats(["一二三四", ""]) == {}
