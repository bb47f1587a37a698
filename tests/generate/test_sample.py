"""An image depends on its seed and index alone, and wrong requests are named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from curation.errors import BadInput, Damaged, NotFound
from generate.pipelines.latent_flow import LatentFlowPipeline
from generate.request import GenerationRequest
from generate.sample import image_generator, load_pipeline, sample_images
from train.fitting.seeding import step_generator

Generated = dict[int, tuple[str, NDArray[np.uint8]]]


def request(**changes: object) -> GenerationRequest:
    values = {"generator": "tiny-flow", "counts": {"bright": 4, "dark": 3}, "seed": 7, "num_inference_steps": 4}
    return GenerationRequest.checked(**(values | changes))


def generate(directory: Path, asked: GenerationRequest, start: int = 0, batch_size: int = 16) -> Generated:
    images = sample_images(directory, asked.plan()[start:], asked, batch_size, "cpu")
    return {index: (label, pixels) for index, label, pixels in images}


def test_images_come_in_the_order_of_the_plan_with_the_shape_of_the_snapshot(fitted: Path) -> None:
    asked = request()
    images = list(sample_images(fitted, asked.plan(), asked, 3, "cpu"))
    assert [(index, label) for index, label, _ in images] == asked.plan()
    assert {pixels.shape for _, _, pixels in images} == {(12, 12, 1)}
    assert {pixels.dtype for _, _, pixels in images} == {np.dtype(np.uint8)}


@pytest.mark.slow
@pytest.mark.parametrize(("start", "batch_size"), [(0, 1), (0, 3), (2, 5), (5, 16)])
def test_an_image_depends_on_neither_batch_size_nor_start(fitted: Path, start: int, batch_size: int) -> None:
    whole = generate(fitted, request())
    part = generate(fitted, request(), start, batch_size)
    assert sorted(part) == list(range(start, 7))
    for index, (label, pixels) in part.items():
        assert label == whole[index][0]
        assert np.array_equal(pixels, whole[index][1])


@pytest.mark.slow
def test_every_image_of_a_batch_is_another_and_another_seed_gives_others(fitted: Path) -> None:
    images = [pixels.tobytes() for _, pixels in generate(fitted, request()).values()]
    assert len(set(images)) == len(images)
    others = [pixels.tobytes() for _, pixels in generate(fitted, request(seed=8)).values()]
    assert set(images).isdisjoint(others)


@pytest.mark.slow
# diffusers 0.42.1 passes a tensor to numpy.array in DPMSolverMultistepScheduler.set_timesteps.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("sampler", ["unipc", "dpmpp", "euler"])
def test_every_sampler_comes_near_the_many_step_solution(fitted: Path, sampler: str) -> None:
    reference = generate(fitted, request(sampler="euler", num_inference_steps=60))
    images = generate(fitted, request(sampler=sampler, num_inference_steps=20))
    difference = [np.abs(images[i][1].astype(float) - reference[i][1]).mean() for i in images]
    assert max(difference) < 6


def test_guidance_of_one_is_the_class_alone_and_more_moves_the_image(fitted: Path) -> None:
    pipeline = load_pipeline(fitted)
    torch.manual_seed(0)
    torch.nn.init.normal_(pipeline.unet.class_embedding.weight, std=100.0)  # six steps hardly tell classes apart

    def latents(scale: float) -> torch.Tensor:
        return pipeline([0], 4, scale, [image_generator(0, 0)], output_type="latent").images

    near = latents(1.0 + 1e-6)
    assert torch.allclose(latents(1.0), near, atol=1e-4)
    assert not torch.allclose(latents(1.0), latents(3.0), atol=1e-3)


def test_guidance_of_zero_ignores_the_class(fitted: Path) -> None:
    pipeline = load_pipeline(fitted)
    images = [pipeline([label], 4, 0.0, [image_generator(0, 0)], output_type="pt").images for label in (0, 1)]
    assert torch.equal(*images)


def test_the_callback_sees_every_step(fitted: Path) -> None:
    seen: list[int] = []
    load_pipeline(fitted)([0], num_inference_steps=5, callback_on_step_end=lambda step, latents: seen.append(step))
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_a_saved_pipeline_reloads_exactly(fitted: Path, tmp_path: Path) -> None:
    pipeline = load_pipeline(fitted)
    pipeline.save_pretrained(tmp_path / "again")
    again = LatentFlowPipeline.from_pretrained(tmp_path / "again")
    assert again.classes == pipeline.classes == ["dark", "bright"]
    for name in ("unet", "autoencoder"):
        before, after = getattr(pipeline, name).state_dict(), getattr(again, name).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
    before_saving, after_loading = (
        each([0, 1], generator=[image_generator(3, 0), image_generator(3, 1)], output_type="uint8").images
        for each in (pipeline, again)
    )
    assert np.array_equal(before_saving, after_loading)


def test_stock_diffusers_opens_the_parts(fitted: Path) -> None:
    from diffusers import UNet2DModel, UniPCMultistepScheduler

    unet = UNet2DModel.from_pretrained(fitted, subfolder="unet")
    assert unet.config.num_class_embeds == 3
    assert UniPCMultistepScheduler.from_pretrained(fitted, subfolder="scheduler").config.use_flow_sigmas


@pytest.mark.slow
def test_pil_images_are_the_uint8_ones(fitted: Path) -> None:
    pipeline = load_pipeline(fitted)
    image = pipeline([0], generator=[image_generator(0, 0)]).images[0]
    pixels = pipeline([0], generator=[image_generator(0, 0)], output_type="uint8").images[0]
    assert np.array_equal(np.asarray(image), pixels[:, :, 0])


def test_unknown_labels_are_named_before_anything_is_generated(fitted: Path) -> None:
    asked = request(counts={"dark": 1, "purple": 1})
    with pytest.raises(BadInput, match="purple"):
        next(sample_images(fitted, asked.plan(), asked))


@pytest.mark.parametrize("labels", [[], [-1], [2]])
def test_the_pipeline_refuses_classes_it_does_not_know(fitted: Path, labels: list[int]) -> None:
    with pytest.raises(BadInput, match="0 to 1"):
        load_pipeline(fitted)(labels)


def test_the_pipeline_refuses_too_few_generators(fitted: Path) -> None:
    with pytest.raises(BadInput, match="one generator per image"):
        load_pipeline(fitted)([0, 1], generator=[image_generator(0, 0)])


def test_a_missing_generator_and_an_unfinished_one_are_named(tmp_path: Path) -> None:
    asked = request()
    with pytest.raises(NotFound, match="no generator at"):
        next(sample_images(tmp_path / "absent", asked.plan(), asked))
    with pytest.raises(NotFound, match=r"card\.json"):
        next(sample_images(tmp_path, asked.plan(), asked))


def test_weights_that_are_not_those_of_the_card_are_refused(fitted: Path, tmp_path: Path) -> None:
    shutil.copytree(fitted, tmp_path / "copy")
    card = json.loads((tmp_path / "copy" / "card.json").read_text())
    card["digest"] = "0" * 64
    (tmp_path / "copy" / "card.json").write_text(json.dumps(card))
    with pytest.raises(Damaged, match="expected weights 0000"):
        load_pipeline(tmp_path / "copy")


def test_image_generators_differ_by_seed_and_index_and_repeat() -> None:
    def number(generator: torch.Generator) -> float:
        return float(torch.rand(1, generator=generator))

    assert number(image_generator(1, 2)) == number(image_generator(1, 2))
    numbers = [number(image_generator(seed, index)) for seed in range(4) for index in range(4)]
    numbers += [number(step_generator(seed, "flow", step)) for seed in range(4) for step in range(4)]
    assert len(set(numbers)) == len(numbers)
