"""The distillation loss."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from rescomp.compress import DistillationLoss, distillation
from rescomp.models import CountedSteps, build
from rescomp.recipe import Distill, ModelSection, Quantize


def teacher_of():
    torch.manual_seed(0)
    net = build(ModelSection(hidden_size=5), 3, 4)
    net.dropout = 0.5
    return net.train()


def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 4, 3, generator=generator), torch.tensor([4, 2, 1, 4, 3, 4]), torch.arange(6) % 4


def test_it_is_the_formula():
    teacher, (x, lengths, y) = teacher_of(), batch()
    scores = torch.randn(6, 4, requires_grad=True)
    loss = DistillationLoss([teacher], Distill(temperature=3.0, share=0.25), 0.1)(scores, x, lengths, y)
    with torch.no_grad():
        wanted = torch.softmax(teacher.eval()(x, lengths) / 3, dim=1)
    distance = (wanted * (wanted.log() - torch.log_softmax(scores / 3, dim=1))).sum(dim=1).mean()
    expected = 0.75 * cross_entropy(scores, y, label_smoothing=0.1) + 0.25 * 9 * distance
    torch.testing.assert_close(loss, expected)
    assert torch.autograd.grad(loss, scores)[0].abs().max() > 0


def test_of_the_last_steps_it_is_the_mean_over_each_recording_of_the_teachers_answer_to_it_alone():
    teacher, (x, lengths, y) = teacher_of(), batch()
    counted = CountedSteps.of(lengths, 0.5)
    scores, distill = torch.randn(len(counted.step), 4), Distill(temperature=3.0, share=0.25)
    loss = DistillationLoss([teacher], distill, 0.1)
    parts, start = [], 0
    for i, count in enumerate(counted.count.tolist()):
        each = [
            loss(scores[start + k : start + k + 1], x[i : i + 1], lengths[i : i + 1] - count + 1 + k, y[i : i + 1]) for k in range(count)
        ]
        parts.append(torch.stack(each).mean())
        start += count
    torch.testing.assert_close(loss(scores, x, lengths, y, counted), torch.stack(parts).mean())


def test_at_the_teachers_own_scores_nothing_is_left_to_learn():
    teacher, (x, lengths, y) = teacher_of(), batch()
    scores = teacher.eval()(x, lengths).detach().requires_grad_()
    loss = DistillationLoss([teacher], Distill(share=1.0), 0.1)(scores, x, lengths, y)
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.autograd.grad(loss, scores)[0].abs().max() < 1e-6


def test_the_teacher_is_a_copy_without_dropout():
    teacher = teacher_of()
    loss = DistillationLoss([teacher], Distill(), 0.0)
    assert teacher.training
    assert not loss.teachers[0].training
    with torch.no_grad():
        teacher.bias.add_(1)
    assert not torch.equal(loss.teachers[0].bias, teacher.bias)


def test_only_where_it_is_asked_for():
    assert distillation([teacher_of()], [Quantize()], 0.1) is None
    assert isinstance(distillation([teacher_of()], [Distill(), Quantize()], 0.1), DistillationLoss)


def test_of_several_teachers_it_is_the_mean_of_their_probabilities():
    (x, lengths, y), teachers = batch(), [teacher_of(), teacher_of()]
    teachers[1].classifier.weight.data *= -3
    scores = torch.randn(6, 4)
    loss = DistillationLoss(teachers, Distill(temperature=3.0, share=1.0), 0.1)(scores, x, lengths, y)
    with torch.no_grad():
        wanted = sum(torch.softmax(teacher.eval()(x, lengths) / 3, dim=1) for teacher in teachers) / 2
    distance = (wanted * (wanted.log() - torch.log_softmax(scores / 3, dim=1))).sum(dim=1).mean()
    torch.testing.assert_close(loss, 9 * distance)
    assert distillation([], [Distill(), Quantize()], 0.1) is None
