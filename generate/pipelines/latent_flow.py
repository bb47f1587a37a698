"""Class-conditional rectified flow on the latents of a small autoencoder, as one diffusers pipeline.

Flow matching with straight paths: Lipman et al. 2023; Liu et al. 2023 (rectified flow). With sigma running from 1
(noise) to 0 (data), x = (1 - sigma) data + sigma noise and the network predicts the velocity noise - data.
"""

from collections.abc import Callable, Sequence

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, SchedulerMixin, UNet2DModel

from curation.errors import BadInput, Diverged
from generate.canvas import Canvas, to_uint8
from generate.pipelines.autoencoder import ImageAutoencoder
from train.backbones.fixed_rows import in_fixed_rows

TRAIN_TIMESTEPS = 1000  # the network sees sigma times this

StepCallback = Callable[[int, torch.Tensor], None]


class LatentFlowPipeline(DiffusionPipeline):
    """Generate images of given classes.

    `unet` embeds one class more than `id2label` names: the last is the null class of classifier-free guidance.
    `image_height` and `image_width` are those of the generated image; the network works on the canvas around it.
    """

    model_cpu_offload_seq = "unet->autoencoder"

    def __init__(
        self,
        autoencoder: ImageAutoencoder,
        unet: UNet2DModel,
        scheduler: SchedulerMixin,
        id2label: dict[str, str] | None = None,
        image_height: int = 64,
        image_width: int = 64,
        canvas_height: int = 64,
        canvas_width: int = 64,
        canvas_fit: str = "pad",
    ) -> None:
        super().__init__()
        if id2label is None:
            id2label = {str(index): f"class_{index}" for index in range(unet.config.num_class_embeds - 1)}
        self.register_modules(autoencoder=autoencoder, unet=unet, scheduler=scheduler)
        self.register_to_config(
            id2label=id2label,
            image_height=image_height,
            image_width=image_width,
            canvas_height=canvas_height,
            canvas_width=canvas_width,
            canvas_fit=canvas_fit,
        )
        self.canvas = Canvas(image_height, image_width, canvas_height, canvas_width, canvas_fit)

    @property
    def classes(self) -> list[str]:
        """The class names, by class index."""
        return [self.config.id2label[str(index)] for index in range(len(self.config.id2label))]

    def check_inputs(self, class_labels: Sequence[int], generator: Sequence[torch.Generator] | None) -> None:
        """Raise BadInput for an unknown class, or when generators and images are not equally many."""
        known = len(self.config.id2label)
        if not class_labels or not all(0 <= label < known for label in class_labels):
            raise BadInput(
                f"expected class indexes 0 to {known - 1} ({', '.join(self.classes)}), got {list(class_labels)}."
            )
        if generator is not None and len(generator) != len(class_labels):
            raise BadInput(f"expected one generator per image, got {len(generator)} for {len(class_labels)} images.")

    def prepare_latents(self, count: int, generator: Sequence[torch.Generator] | None) -> torch.Tensor:
        """Starting noise (count, latent_channels, h, w), drawn on the CPU, each image from its own generator."""
        shape = (self.unet.config.in_channels, *self.unet.config.sample_size)
        generators = generator if generator is not None else [None] * count
        return torch.stack([torch.randn(shape, generator=each) for each in generators]).to(self.device, self.unet.dtype)

    @torch.no_grad()
    def __call__(
        self,
        class_labels: Sequence[int],
        num_inference_steps: int = 12,
        guidance_scale: float = 1.5,
        generator: Sequence[torch.Generator] | None = None,
        output_type: str = "pil",
        callback_on_step_end: StepCallback | None = None,
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple:
        """Generate one image per entry of `class_labels`.

        `guidance_scale` mixes the velocities of class and null class, v = v_null + w (v_class - v_null) (Ho and
        Salimans 2022); 1 runs the class alone. `callback_on_step_end(step, latents)` may report progress.
        `output_type`: `pil`; `uint8`, (N, H, W, C); `pt`, (N, C, H, W) float32 in [-1, 1]; or `latent`.
        """
        self.check_inputs(class_labels, generator)
        count = len(class_labels)
        guided = guidance_scale != 1.0
        labels = torch.tensor(class_labels, device=self.device)
        if guided:
            labels = torch.cat([labels, torch.full_like(labels, len(self.config.id2label))])

        latents = self.prepare_latents(count, generator)
        self.scheduler.set_timesteps(num_inference_steps, device=self.device)
        # Some schedulers round their timesteps to whole numbers; the network was fitted on continuous ones.
        times = [float(sigma) * TRAIN_TIMESTEPS for sigma in self.scheduler.sigmas[:-1]]

        with self.progress_bar(total=num_inference_steps) as progress:
            for step, (timestep, time) in enumerate(zip(self.scheduler.timesteps, times, strict=True)):
                network_input = torch.cat([latents, latents]) if guided else latents
                velocity = in_fixed_rows(
                    lambda rows, row_labels, time=time: self.unet(rows, time, class_labels=row_labels).sample,
                    network_input,
                    labels,
                )
                if guided:
                    of_class, of_null = velocity.chunk(2)
                    velocity = of_null + guidance_scale * (of_class - of_null)
                latents = self.scheduler.step(velocity, timestep, latents).prev_sample
                if callback_on_step_end is not None:
                    callback_on_step_end(step, latents)
                progress.update()

        images = latents if output_type == "latent" else self._finish(latents, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _finish(self, latents: torch.Tensor, output_type: str):
        """Decode, take the image out of its canvas, and convert to the type asked for."""
        images = self.canvas.from_canvas(in_fixed_rows(self.autoencoder.decode, latents))
        if not torch.isfinite(images).all():
            raise Diverged(
                "the generator gives pixels that are NaN or infinite: its fit diverged. Fit it again with lower "
                "learning rates in the recipe."
            )
        if output_type == "pt":
            return images
        pixels = to_uint8(images)
        return self.numpy_to_pil(pixels / 255.0) if output_type == "pil" else pixels
